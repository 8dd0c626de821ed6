#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-client.py TPMIDCTL: what tpmidctl does when there is no daemon: usage, bad input, files, no bus. TAP."""
import json
import os
import pty
import resource
import subprocess
import sys
import tempfile

TPMIDCTL = sys.argv[1]
VERBS = ['status', 'serial', 'keys', 'sign', 'verify', 'encrypt', 'decrypt', 'csr', 'cert', 'monitor', 'reset', 'reprovision',
         'migrate', 'rotate', 'release-ownership', 'handles', 'doctor', 'explain']
NO_BUS = 'unix:path=/nonexistent/bus'
SETTINGS = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=NO_BUS)
tests = []


def test(function):
    tests.append(function)
    return function


def run(*arguments, data=b''):
    # In a session without a terminal: nobody is to be asked.
    return subprocess.run([TPMIDCTL, *arguments], input=data, capture_output=True, env=SETTINGS, timeout=20, start_new_session=True)


def fails(status, *arguments, data=b'', says=None):
    result = run(*arguments, data=data)
    detail = f'{arguments}: {result}'
    assert result.returncode == status, detail
    assert result.stdout == b'', detail
    assert result.stderr.startswith(b'tpmidctl: ') and result.stderr.endswith(b'\n'), detail
    assert says is None or says in result.stderr.decode(), detail


@test
def help_lists_every_verb_and_exit_status():
    result = run('--help')
    text = result.stdout.decode()
    assert result.returncode == 0 and result.stderr == b''
    for verb in VERBS:
        assert f'\n  {verb} ' in text, verb
    for status in range(16):
        assert f'\n  {status} ' in text, status


@test
def every_verb_has_help():
    for verb in VERBS:
        result = run(verb, '--help')
        assert result.returncode == 0 and f' {verb}' in result.stdout.decode(), verb
        assert '--timeout' in result.stdout.decode(), verb


@test
def help_is_a_verb_too():
    assert run('help').stdout == run('--help').stdout != b''
    for verb in VERBS:
        assert run('help', verb).stdout == run(verb, '--help').stdout != b'', verb


@test
def serial_number_with_a_dash_is_told_how():
    fails(2, 'serial', 'set', '-X1', says='tpmidctl serial set -- -X1')
    assert b' -- ' not in run('serial', 'set', 'X', '--bogus').stderr


@test
def binary_goes_to_a_terminal_only_when_asked_to():
    for arguments in (['sign', '--in', '/dev/null'], ['csr', '--der', '--subject', '/CN=x']):
        for more, status in (([], 2), (['--out', '-'], 9), (['--json'], 9)):
            terminal, inside = pty.openpty()
            result = subprocess.run([TPMIDCTL, *arguments, *more], stdout=inside, stderr=subprocess.PIPE, env=SETTINGS, timeout=20)
            os.close(inside)
            os.close(terminal)
            assert result.returncode == status and (status != 2 or b'--out' in result.stderr), (arguments, more, result)


@test
def version_is_one_line():
    result = run('--version')
    assert result.returncode == 0
    assert result.stdout.startswith(b'tpmidctl ') and result.stdout.count(b'\n') == 1


@test
def usage_errors_exit_2():
    for arguments in ([], ['bogus'], ['--bogus'], ['--'], ['status', '--bogus'], ['status', 'extra'],
                      ['serial', 'bogus'], ['serial', 'set'], ['serial', 'set', 'a', 'b'],
                      ['keys', 'bogus'], ['keys', 'show'], ['keys', 'show', 'a', 'b'], ['keys', 'list', '--public'],
                      ['keys', 'show', 'device', '--public', '--json'],
                      ['keys', 'show', 'device', '--out', 'a'], ['keys', 'list', '--out', 'a'], ['help', 'bogus'],
                      ['help', 'keys', 'more'], ['sign'], ['sign', '--in'],
                      ['sign', '--in', 'a', '--digest', 'b'], ['verify', '--in', '/dev/null'],
                      ['verify', '--in', '-', '--signature', '-'], ['csr'], ['cert', 'bogus'],
                      ['serial', 'clear', 'x'], ['serial', 'clear', '--yes', 'x'], ['cert', 'install'], ['cert', 'install', 'a', 'b'],
                      ['cert', 'install', 'a', '--out', 'b'], ['cert', 'regenerate', 'x', '--yes'], ['reset', 'x', '--yes'],
                      ['reprovision', 'x', '--yes'], ['migrate', '--yes'], ['migrate', 'tpm', '--yes'],
                      ['migrate', 'to-tpm', 'x', '--yes'], ['rotate'], ['rotate', 'bogus'], ['rotate', 'begin', 'x'],
                      ['rotate', 'commit', 'a', 'b'], ['rotate', 'rollback', 'x', '--yes'], ['release-ownership', 'x', '--yes'],
                      ['handles', 'x'], ['doctor', 'x'], ['doctor', '--root'], ['explain'], ['explain', 'a', 'b'],
                      ['monitor', '--count', '-1'], ['--timeout', '0', 'status'], ['--timeout', 'x', 'status'],
                      ['status', '--timeout', '1e9'], ['status', '--timeout', 'nan']):
        if '--json' not in arguments:
            fails(2, *arguments)
        else:
            assert run(*arguments).returncode == 2, arguments


@test
def no_bus_exits_9():
    for arguments in (['status'], ['serial'], ['serial', 'set', 'X'], ['keys'], ['keys', 'list'],
                      ['keys', 'show', 'device'], ['cert', 'show'], ['monitor'], ['sign', '--in', '/dev/null'],
                      ['csr', '--subject', '/CN=x'], ['verify', '--in', '/dev/null', '--signature', '/dev/null'],
                      ['serial', 'clear', '--yes'], ['cert', 'regenerate', '--yes'], ['reset', '--yes'], ['reprovision', '--yes'],
                      ['migrate', 'to-tpm', '--yes'], ['rotate', 'begin'], ['rotate', 'commit', '--yes'],
                      ['rotate', 'rollback', '--yes'], ['release-ownership', '--yes'], ['handles']):
        fails(9, *arguments, says='cannot connect')


@test
def options_may_stand_before_and_after_the_verb():
    address = 'unix:path=/nonexistent/other'
    fails(9, '--bus-address', address, 'status', says=address)
    fails(9, 'status', '--bus-address', address, says=address)
    fails(9, 'keys', '--bus-address', address, 'show', 'device', says=address)
    fails(9, 'keys', 'show', 'device', f'--bus-address={address}', says=address)
    fails(9, 'serial', 'set', '--', '--value', says='the system bus')


@test
def json_errors_are_json_on_stderr():
    for status, arguments in ((9, ['status', '--json']), (9, ['--json', 'status']), (2, ['status', '--json', '--bogus']),
                              (3, ['--json', 'keys', 'show', '\udcff'])):
        result = run(*arguments)
        assert result.returncode == status and result.stdout == b'', result
        error = json.loads(result.stderr)['error']
        assert error['exit'] == status and error['name'] and error['message'], error


@test
def digest_of_wrong_length_exits_3_before_any_call():
    for size in (0, 1, 31, 33, 48, 64, 65, 1 << 20):
        fails(3, 'sign', '--digest', '-', data=bytes(size))
    for size in (32, 64):
        fails(3, 'sign', '--digest', '-', '--hash', 'sha384', data=bytes(size))
    fails(3, 'sign', '--digest', '-', data=bytes(48), says='--hash sha384')
    for size, name in ((32, 'sha256'), (48, 'sha384'), (64, 'sha512')):
        fails(9, 'sign', '--digest', '-', '--hash', name, data=bytes(size))


@test
def digest_file_is_read_no_further_than_needed():
    fails(3, 'sign', '--digest', '/dev/zero')
    fails(3, 'verify', '--in', '/dev/null', '--signature', '/dev/zero')


@test
def input_is_streamed():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'large')
        with open(path, 'wb') as file:
            file.truncate(256 << 20)
        fails(9, 'sign', '--in', path)
    # The largest that any run so far needed, in KiB: far less than the file.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 128 << 10


@test
def bad_names_and_hashes_exit_3():
    fails(3, 'sign', '--in', '/dev/null', '--hash', 'md5', says='sha256')
    for name in ('', 'Device', '../x', 'a' * 65, 'a' * 10000, '\udcff'):
        fails(3, 'sign', '--in', '/dev/null', '--key', name)
        fails(3, 'keys', 'show', name)
    fails(3, 'csr', '--subject', '/CN=\udcff')
    fails(3, 'csr', '--subject', '/CN=x', '--dns', '\udcff')
    fails(3, 'serial', 'set', '\udcff')
    for data in (b'', b'0\x82DER', b'-----BEGIN CERTIFICATE-----\0', b'-----BEGIN CERTIFICATE-----\n' * 4000):
        fails(3, 'cert', 'install', '-', data=data)
        fails(3, 'rotate', 'commit', '-', '--yes', data=data)
    fails(3, 'cert', 'install', '-', data=b'-----BEGIN CERTIFICATE-----\n\xff')


@test
def what_cannot_be_undone_needs_yes():
    for arguments in (['reset'], ['reprovision'], ['migrate', 'to-tpm'], ['migrate', 'to-software'], ['rotate', 'commit'],
                      ['rotate', 'rollback'], ['release-ownership'], ['serial', 'clear'], ['cert', 'regenerate']):
        fails(2, *arguments, says='--yes')


@test
def nobody_is_asked_who_does_not_see_the_question():
    terminal, inside = pty.openpty()
    result = subprocess.run([TPMIDCTL, 'serial', 'clear'], stdin=inside, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=SETTINGS,
                            timeout=20, start_new_session=True)
    os.close(inside)
    os.close(terminal)
    assert result.returncode == 2 and b'--yes' in result.stderr and b'yes/no' not in result.stderr, result


@test
def terminal_is_asked_whatever_the_streams_are():
    pid, terminal = pty.fork()
    if pid == 0:
        os.set_inheritable(os.dup(0), True)  # without anybody who has it open a terminal is at its end
        null = os.open('/dev/null', os.O_RDWR)
        for stream in range(3):
            os.dup2(null, stream)
        os.execve(TPMIDCTL, [TPMIDCTL, 'serial', 'clear'], SETTINGS)
    os.write(terminal, b'no\n')
    text = b''
    try:
        while data := os.read(terminal, 4096):
            text += data
    except OSError:
        pass
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    assert status == 1 and b'is lost' in text and b'yes/no' in text, (status, text)


@test
def explain_knows_codes_of_every_layer():
    for code, words in (('0x9a2', ['the TPM', 'session 1', 'AuthFailed', 'was not counted']),
                        ('2466', ['0x000009a2', 'session 1']), ('9A2', ['0x000009a2']), ('0x98e', ['session 1', 'AuthFailed']),
                        ('0x1df', ['parameter 1', 'integrity', 'KeyOrphaned']), ('0x184', ['handle 1', 'NotFound']),
                        ('0x2c4', ['parameter 2', 'UnsupportedAlgorithm']), ('0x921', ['lockout', 'TpmLockout']),
                        ('0x80921', ['SAPI']), ('0x101', ['TpmFailure']), ('0xb0143', ['resource manager', 'UnsupportedByTpm']),
                        ('0xc0922', ['resource manager', 'Busy']), ('0xa000a', ['TCTI', 'IO failure', 'TpmUnavailable']),
                        ('0x7001b', ['ESAPI', 'UntrustedResponse']), ('TPM_RC_LOCKOUT', ['0x00000921', 'TpmLockout']), ('TPM2_RC_REFERENCE_H0', ['0x00000910', 'TpmUnavailable']),
                        ('tss2_esys_rc_bad_sequence', ['0x00070007']), ('921', ['0x00000399', 'as hex digits', '0x00000921', 'TpmLockout']),
                        ('0', ['success']), ('0xffffffff', ['0xffffffff'])):
        result = run('explain', code)
        assert result.returncode == 0 and result.stderr == b'', result
        for word in words:
            assert word.lower() in result.stdout.decode().lower(), (code, word, result.stdout)


@test
def explain_knows_the_names_of_errors():
    for name in ('WrongState', 'wrongstate', 'org.tpmid1.Error.WrongState'):
        text = run('explain', name).stdout.decode()
        assert 'org.tpmid1.Error.WrongState' in text and '14' in text, text
    assert 'systemctl start tpmidd' in run('explain', 'org.freedesktop.DBus.Error.ServiceUnknown').stdout.decode()
    assert 'org.freedesktop.DBus.Error.NoReply' in run('explain', 'NoReply').stdout.decode()
    assert 'org.tpmid1.Error.AuthFailed' in run('explain', 'AuthFailed').stdout.decode()
    named = json.loads(run('explain', 'CertificateMismatch', '--json').stdout)
    assert named.keys() == {'error', 'meaning', 'do', 'exit'} and named['exit'] == 3, named
    code = json.loads(run('explain', '0x9a2', '--json').stdout)
    assert code.keys() == {'code', 'from', 'about', 'tss', 'error', 'meaning', 'do'} and code['about'] == 'session 1', code
    both = json.loads(run('explain', '921', '--json').stdout)
    assert both.keys() == {*code.keys(), 'hex'} and (both['code'], both['hex']['code']) == ('0x00000399', '0x00000921'), both
    assert json.loads(run('explain', '0x1000921', '--json').stdout)['error'] == ''


@test
def explain_shows_what_it_takes():
    for word in ('', 'x', '0x', '0xg', '-1', '0x100000000', '4294967296', '1.5', 'NoSuchError', '9a2 ', 'bad', 'TPM_RC_NONE'):
        fails(2, 'explain', '--', word, says='0x9a2')


@test
def doctor_works_without_a_bus():
    result = run('doctor', '--json')
    assert result.returncode == 15, result
    checks = json.loads(result.stdout)
    assert all(check.keys() == {'group', 'check', 'result', 'text', 'next'} for check in checks), checks
    assert [check['result'] for check in checks if check['check'] == 'service'] == ['FAIL'], checks
    assert {check['group'] for check in checks} == {'device', 'bus', 'tpm', 'identity', 'host'}, checks
    assert json.loads(result.stderr)['error']['exit'] == 15


@test
def files_that_cannot_be_used_exit_1():
    fails(1, 'cert', 'install', '/nonexistent', says='/nonexistent')
    fails(1, 'rotate', 'commit', '/nonexistent', '--yes', says='/nonexistent')
    fails(1, 'sign', '--in', '/nonexistent', says='/nonexistent')
    fails(1, 'sign', '--in', '/')
    fails(1, 'sign', '--digest', '/nonexistent')
    fails(1, 'verify', '--in', '/dev/null', '--signature', '/nonexistent')


@test
def full_standard_output_exits_1():
    with open('/dev/full', 'wb') as full:
        result = subprocess.run([TPMIDCTL, '--version'], stdout=full, stderr=subprocess.PIPE, env=SETTINGS, timeout=20)
    assert result.returncode == 1 and b'standard output' in result.stderr, result


@test
def works_in_any_locale():
    for locale in ('C', 'C.UTF-8'):
        settings = dict(SETTINGS, LC_ALL=locale)
        result = subprocess.run([TPMIDCTL, 'csr', '--subject', '/CN=Zoë'], capture_output=True, env=settings, timeout=20)
        assert result.returncode == 9, result


def main():
    failed = 0
    print(f'1..{len(tests)}', flush=True)
    for number, function in enumerate(tests, 1):
        try:
            function()
            verdict = 'ok'
        except (AssertionError, ValueError, subprocess.TimeoutExpired) as error:
            failed += 1
            verdict = 'not ok'
            print('\n'.join(f'# {line}' for line in str(error).splitlines()))
        print(f'{verdict} {number} - {function.__name__.replace("_", "-")}', flush=True)
    return 1 if failed else 0


sys.exit(main())
