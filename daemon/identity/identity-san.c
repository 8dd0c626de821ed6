/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-san-private.h"

#include "base-error.h"
#include "identity-x509.h"

#include <arpa/inet.h>
#include <string.h>

#define LABEL_MAX 63       /* RFC 1035, 2.3.4 */
#define DNS_NAME_MAX 253   /* the same limit of 255 octets, without the length byte of the first label and the root's */
#define MAIL_LOCAL_MAX 64  /* RFC 5321, 4.5.3.1.1 */
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* Each check returns what is wrong with @value, or NULL. */

static gboolean
is_label (const char *label)
{
  gsize size = strlen (label);

  return size >= 1 && size <= LABEL_MAX && strspn (label, LETTERS DIGITS "-") == size && label[0] != '-'
         && label[size - 1] != '-';
}

static gboolean
is_host_name (const char *name)
{
  g_auto (GStrv) labels = g_strsplit (name, ".", -1);

  if (strlen (name) > DNS_NAME_MAX || labels[0] == NULL)
    return FALSE;
  for (char **label = labels; *label != NULL; label++)
    if (!is_label (*label))
      return FALSE;
  return TRUE;
}

static const char *
check_dns (const char *value)
{
  struct in_addr address;

  if (inet_pton (AF_INET, value, &address) == 1)
    return "it is an IP address: give it as one";
  return is_host_name (g_str_has_prefix (value, "*.") ? value + 2 : value)
           ? NULL : "a name is labels of 1 to 63 letters, digits and inner hyphens with dots between them, maybe after \"*.\"";
}

static const char *
check_email (const char *value)
{
  static const char atoms[] = LETTERS DIGITS "!#$%&'*+-/=?^_`{|}~."; /* RFC 5322, 3.2.3 */
  const char *at = strchr (value, '@');
  gsize local = at != NULL ? (gsize) (at - value) : 0;

  if (at == NULL || strchr (at + 1, '@') != NULL)
    return "an address has one \"@\"";
  if (local == 0 || local > MAIL_LOCAL_MAX || strspn (value, atoms) != local || value[0] == '.' || at[-1] == '.'
      || g_strstr_len (value, (gssize) local, "..") != NULL)
    return "what stands before the \"@\" is not 1 to 64 letters, digits and punctuation of an address";
  return is_host_name (at + 1) ? NULL : "what stands after the \"@\" is not the name of a host";
}

static gboolean
has_uri_alphabet (const char *value)
{
  for (const char *at = value; *at != '\0'; at++)
    {
      if (strchr (LETTERS DIGITS "-._~:/?#[]@!$&'()*+,;=", *at) != NULL)
        continue;
      if (*at != '%' || !g_ascii_isxdigit (at[1]) || !g_ascii_isxdigit (at[2]))
        return FALSE;
    }
  return TRUE;
}

static const char *
check_uri (const char *value)
{
  gsize scheme = strspn (value, LETTERS DIGITS "+-.");

  if (!g_ascii_isalpha (value[0]) || value[scheme] != ':' || value[scheme + 1] == '\0')
    return "a URI begins with a scheme and a colon, and goes on after it";
  if (!has_uri_alphabet (value))
    return "it holds a character that a URI must write as %XX";
  return g_uri_is_valid (value, G_URI_FLAGS_NONE, NULL) ? NULL : "it is not a URI as RFC 3986 has them";
}

/* Returns: the size of the address, 0 for anything else */
static gsize
parse_ip (const char *value, guint8 address[16])
{
  if (inet_pton (AF_INET, value, address) == 1)
    return 4;
  return inet_pton (AF_INET6, value, address) == 1 ? 16 : 0;
}

static const char *
check_ip (const char *value)
{
  guint8 address[16];

  return parse_ip (value, address) != 0 ? NULL : "it is neither an IPv4 nor an IPv6 address";
}

static const struct
{
  const char *what;
  int type;
  const char *(*check) (const char *value);
} san_kinds[IDENTITY_N_SANS] = {
  [IDENTITY_SAN_DNS] = { "DNS name", GEN_DNS, check_dns },
  [IDENTITY_SAN_EMAIL] = { "e-mail address", GEN_EMAIL, check_email },
  [IDENTITY_SAN_URI] = { "URI", GEN_URI, check_uri },
  [IDENTITY_SAN_IP] = { "IP address", GEN_IPADD, check_ip },
};

static gboolean
check_value (IdentitySan kind, const char *value, GError **error)
{
  const char *what = san_kinds[kind].what;
  const char *reason;

  if (strlen (value) > IDENTITY_SAN_MAX)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "an alternative name (%s) of %" G_GSIZE_FORMAT
                   " bytes is too long; at most %d are allowed", what, strlen (value), IDENTITY_SAN_MAX);
      return FALSE;
    }
  reason = san_kinds[kind].check (value);
  if (reason == NULL)
    return TRUE;

  g_autofree char *shown = g_strescape (value, NULL);
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "\"%s\" cannot be used as %s: %s", shown, what, reason);
  return FALSE;
}

static gboolean
set_value (ASN1_STRING *string, IdentitySan kind, const char *value)
{
  guint8 address[16];

  if (kind == IDENTITY_SAN_IP)
    return ASN1_STRING_set (string, address, (int) parse_ip (value, address)) == 1;
  return ASN1_STRING_set (string, value, -1) == 1;
}

GENERAL_NAME *
identity_san_new (IdentitySan kind, const char *value, GError **error)
{
  GENERAL_NAME *name;
  ASN1_STRING *string;

  g_assert ((guint) kind < IDENTITY_N_SANS);
  if (!check_value (kind, value, error))
    return NULL;
  /* Set from the value itself, never through OpenSSL's configuration strings, where a comma begins another name. */
  name = GENERAL_NAME_new ();
  string = ASN1_STRING_type_new (kind == IDENTITY_SAN_IP ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  if (name == NULL || string == NULL || !set_value (string, kind, value))
    {
      ASN1_STRING_free (string);
      GENERAL_NAME_free (name);
      identity_x509_fail (error, "encode an alternative name");
      return NULL;
    }
  GENERAL_NAME_set0_value (name, san_kinds[kind].type, string);
  return name;
}
