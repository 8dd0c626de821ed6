#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# report-agent.sh [COUNT]: prints the device report as one line of JSON, and again whenever it changes; ends after COUNT
# reports. Needs no rights, and only busctl, tpmidctl, sed and coreutils. While tpmidd is not on the bus the report is
# {"running":false}.
set -u
count=${1:--1}
last=

# call PATH INTERFACE METHOD [SIGNATURE ARGUMENT...]: the answer as JSON. tpmidd that an operator has stopped is not started
# again by bus activation.
call () {
  busctl --system --json=short --timeout=30 --auto-start=no call org.tpmid1 "$@"
}

# field NAME: from the answer on standard input the JSON value of a string, a number or a boolean; each stands there as
# "NAME":{"type":"s","data":"..."}. Quotes inside a string are escaped, so that nothing in a string looks like that.
field () {
  sed -nE 's/^.*"'"$1"'":\{"type":"[a-z]","data":("([^"\\]|\\.)*"|[^"{}]*)\}.*$/\1/p'
}

# text NAME: the same of $device, and "" where there is none
text () {
  value=$(printf '%s\n' "$device" | field "$1")
  printf '%s' "${value:-\"\"}"
}

# SHA-256 over the DER of the first certificate. In JSON the line ends of a PEM are "\n", which %b turns into line ends.
certificate_sha256 () {
  pem=$(printf '%b' "$(text Certificate)" | tr -d '"')
  [ -n "$pem" ] || return 0
  printf '%s\n' "$pem" | sed '/-----END/q' | grep -v -e '-----' | base64 -d | sha256sum | cut -c1-64
}

key () {
  path=$(text IdentityKey | tr -d '"')
  name='""' reference=
  if [ "$path" != / ]; then
    properties=$(call "$path" org.freedesktop.DBus.Properties GetAll s org.tpmid1.Key) || return
    name=$(printf '%s\n' "$properties" | field Name)
    bytes=$(printf '%s\n' "$properties" | sed -E 's/.*"Reference":\{"type":"ay","data":\[([0-9,]*)\].*/\1/' | tr , ' ')
    # shellcheck disable=SC2086 # each number is an argument
    reference=$(printf '%02x' $bytes)
  fi
  printf '{"name":%s,"reference":"%s"}' "$name" "$reference"
}

lockout () {
  comma=
  for name in in-lockout counter limit interval recovery; do
    value=$(printf '%s\n' "$device" | field "$name")
    [ -z "$value" ] || { printf '%s"%s":%s' "$comma" "$name" "$value"; comma=,; }
  done
}

# One answer has all of the device, so that the report is of one moment.
make_report () {
  device=$(call /org/tpmid1 org.freedesktop.DBus.Properties GetAll s org.tpmid1.Device) && key=$(key) || return
  printf '{"running":true,"mode":%s,"state":%s,"reason":%s,' "$(text Mode)" "$(text State)" "$(text Reason)"
  printf '"serial":%s,"serial-source":%s,' "$(text SerialNumber)" "$(text SerialSource)"
  printf '"key":%s,"certificate-sha256":"%s",' "$key" "$(certificate_sha256)"
  printf '"tpm":{"state":%s,"manufacturer":%s,' "$(text TpmState)" "$(text manufacturer)"
  printf '"firmware":%s,"lockout":{%s}}}\n' "$(text firmware)" "$(lockout)"
}

report () {
  line=$(make_report) || line='{"running":false}'
  [ "$line" != "$last" ] || return 0
  printf '%s\n' "$line" 2>/dev/null || exit 1
  last=$line
  count=$((count - 1))
  [ $count -ne 0 ] || exit 0
}

# tpmidctl monitor says a line when it begins to listen and one for each change, also when tpmidd comes or goes. It ends
# when there is no tpmidd at the beginning, or when the bus is lost.
folder=$(mktemp -d) || exit
monitor=
trap '[ -z "$monitor" ] || kill "$monitor" 2>/dev/null; rm -rf "$folder"' EXIT
trap 'exit 143' TERM
trap 'exit 141' PIPE
trap 'exit 130' INT
trap 'exit 129' HUP
mkfifo "$folder/changes" || exit
while :; do
  tpmidctl monitor --json >"$folder/changes" & monitor=$!
  while read -r _; do
    report
  done <"$folder/changes"
  wait "$monitor"
  monitor=
  report
  sleep 1
done
