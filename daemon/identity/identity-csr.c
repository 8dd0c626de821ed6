/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-csr.h"

#include "base-error.h"
#include "identity-san-private.h"
#include "identity-x509.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <string.h>

#define DIGITS "0123456789"

struct IdentityCsr
{
  IdentityHash hash;
  X509_NAME *subject;
  GENERAL_NAMES *sans;
  EXTENDED_KEY_USAGE *ekus;
};

static gboolean
refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
refuse (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, message);
  return FALSE;
}

/* Subject */

typedef struct
{
  char *text; /* as it stands in the subject */
  GString *name;
  GString *value;
} SubjectPart;

static void
subject_part_clear (SubjectPart *part)
{
  g_free (part->text);
  g_string_free (part->name, TRUE);
  g_string_free (part->value, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (SubjectPart, subject_part_clear)

static gboolean
check_characters (const char *subject, GError **error)
{
  if (strlen (subject) > IDENTITY_CSR_SUBJECT_MAX)
    return refuse (error, "the subject has %" G_GSIZE_FORMAT " bytes; at most %d are allowed", strlen (subject),
                   IDENTITY_CSR_SUBJECT_MAX);

  const char *end;
  if (!g_utf8_validate (subject, -1, &end))
    return refuse (error, "the subject is not UTF-8 at byte %ld", (long) (end - subject));
  for (const char *at = subject; *at != '\0'; at = g_utf8_next_char (at))
    if (g_unichar_iscntrl (g_utf8_get_char (at)))
      return refuse (error, "the subject holds the control character U+%04X at byte %ld", g_utf8_get_char (at),
                     (long) (at - subject));
  return TRUE;
}

/* Reads up to the next slash that is not quoted. The bytes that matter here are ASCII, which UTF-8 never uses inside of
 * another character. */
static gboolean
take_part (const char **cursor, SubjectPart *part, GError **error)
{
  const char *start = *cursor;
  const char *at;
  GString *into = part->name;
  gboolean assigned = FALSE;

  for (at = start; *at != '\0' && *at != '/'; at++)
    {
      if (*at == '=' && !assigned)
        {
          assigned = TRUE;
          into = part->value;
          continue;
        }
      if (*at == '\\' && *++at == '\0')
        return refuse (error, "the subject's part \"%s\" ends in a backslash that quotes nothing", start);
      g_string_append_c (into, *at);
    }
  part->text = g_strndup (start, (gsize) (at - start));
  *cursor = at;
  if (!assigned)
    return refuse (error, "the subject's part \"%s\" has no \"=\"; write ATTRIBUTE=VALUE, and \"\\/\" for a slash in a value",
                   part->text);
  return TRUE;
}

static gboolean
add_part (X509_NAME *subject, const SubjectPart *part, GError **error)
{
  int nid = OBJ_txt2nid (part->name->str);
  const char *reason;
  int added;

  if (nid == NID_undef)
    {
      ERR_clear_error ();
      return refuse (error, "the subject's part \"%s\": \"%s\" is not the name of an attribute", part->text, part->name->str);
    }
  if (part->value->len == 0)
    return refuse (error, "the subject's part \"%s\" has no value", part->text);
  /* Knows the alphabet and the greatest length of each attribute (RFC 5280, A.1). */
  added = X509_NAME_add_entry_by_NID (subject, nid, MBSTRING_UTF8, (const guint8 *) part->value->str, (int) part->value->len,
                                      -1, 0);
  reason = ERR_reason_error_string (ERR_peek_last_error ());
  ERR_clear_error ();
  if (added != 1)
    return refuse (error, "the subject's part \"%s\" does not fit its attribute: %s", part->text,
                   reason != NULL ? reason : "refused");
  return TRUE;
}

static gboolean
parse_subject (const char *text, X509_NAME *subject, GError **error)
{
  const char *cursor = text;

  if (!check_characters (text, error))
    return FALSE;
  if (*text == '\0' || g_str_equal (text, "/"))
    return TRUE;
  if (*text != '/')
    return refuse (error, "the subject \"%s\" does not begin with a slash; write it as \"/CN=name/O=organization\"", text);
  while (*cursor == '/')
    {
      g_auto (SubjectPart) part = { NULL, g_string_new (NULL), g_string_new (NULL) };

      cursor++;
      if (!take_part (&cursor, &part, error) || !add_part (subject, &part, error))
        return FALSE;
    }
  return TRUE;
}

IdentityCsr *
identity_csr_new (const char *subject, IdentityHash hash, GError **error)
{
  g_autoptr (IdentityCsr) self = g_new0 (IdentityCsr, 1);

  self->hash = hash;
  self->subject = X509_NAME_new ();
  self->sans = sk_GENERAL_NAME_new_null ();
  self->ekus = sk_ASN1_OBJECT_new_null ();
  if (self->subject == NULL || self->sans == NULL || self->ekus == NULL)
    {
      identity_x509_fail (error, "begin a certificate signing request");
      return NULL;
    }
  return parse_subject (subject, self->subject, error) ? g_steal_pointer (&self) : NULL;
}

void
identity_csr_free (IdentityCsr *self)
{
  if (self == NULL)
    return;
  X509_NAME_free (self->subject);
  GENERAL_NAMES_free (self->sans);
  EXTENDED_KEY_USAGE_free (self->ekus);
  g_free (self);
}

/* Subject alternative names */

gboolean
identity_csr_add_san (IdentityCsr *self, IdentitySan kind, const char *value, GError **error)
{
  GENERAL_NAME *name;

  if (sk_GENERAL_NAME_num (self->sans) >= IDENTITY_CSR_NAMES_MAX)
    return refuse (error, "too many alternative names; at most %d are allowed", IDENTITY_CSR_NAMES_MAX);
  name = identity_san_new (kind, value, error);
  if (name == NULL)
    return FALSE;
  if (sk_GENERAL_NAME_push (self->sans, name) <= 0)
    {
      GENERAL_NAME_free (name);
      return identity_x509_fail (error, "add an alternative name");
    }
  return TRUE;
}

/* Extended key usages */

static gboolean
is_key_purpose (const ASN1_OBJECT *object)
{
  static const int others[] = { NID_anyExtendedKeyUsage, NID_ms_code_ind, NID_ms_code_com, NID_ms_ctl_sign, NID_ms_efs,
                                NID_ms_smartcard_login, NID_pkInitKDC };
  char oid[64];

  for (guint i = 0; i < G_N_ELEMENTS (others); i++)
    if (OBJ_obj2nid (object) == others[i])
      return TRUE;
  /* id-kp (RFC 5280, 4.2.1.12) */
  return OBJ_obj2txt (oid, sizeof oid, object, 1) > 0 && g_str_has_prefix (oid, "1.3.6.1.5.5.7.3.");
}

/* OpenSSL itself reads "1.2..3" as if it were "1.2.0.3". */
static gboolean
has_empty_arc (const char *oid)
{
  return oid[0] == '.' || g_str_has_suffix (oid, ".") || strstr (oid, "..") != NULL;
}

static ASN1_OBJECT *
parse_eku (const char *name)
{
  gboolean dotted = name[0] != '\0' && strspn (name, DIGITS ".") == strlen (name);
  ASN1_OBJECT *object = dotted && has_empty_arc (name) ? NULL : OBJ_txt2obj (name, dotted ? 1 : 0);

  ERR_clear_error ();
  if (object == NULL || dotted || is_key_purpose (object))
    return object;
  ASN1_OBJECT_free (object);
  return NULL;
}

static gboolean
has_eku (const IdentityCsr *self, const ASN1_OBJECT *object)
{
  for (int i = 0; i < sk_ASN1_OBJECT_num (self->ekus); i++)
    if (OBJ_cmp (sk_ASN1_OBJECT_value (self->ekus, i), object) == 0)
      return TRUE;
  return FALSE;
}

gboolean
identity_csr_add_eku (IdentityCsr *self, const char *name, GError **error)
{
  ASN1_OBJECT *object;
  g_autofree char *shown = g_strescape (name, NULL);

  if (strlen (name) > IDENTITY_CSR_NAME_MAX)
    return refuse (error, "the name of an extended key usage has %" G_GSIZE_FORMAT " bytes; at most %d are allowed",
                   strlen (name), IDENTITY_CSR_NAME_MAX);
  if (sk_ASN1_OBJECT_num (self->ekus) >= IDENTITY_CSR_EKUS_MAX)
    return refuse (error, "too many extended key usages; at most %d are allowed", IDENTITY_CSR_EKUS_MAX);
  object = parse_eku (name);
  if (object == NULL)
    return refuse (error, "\"%s\" is not an extended key usage; use clientAuth, serverAuth, another name for one, or a "
                   "dotted OID", shown);
  if (has_eku (self, object))
    {
      ASN1_OBJECT_free (object);
      return refuse (error, "the extended key usage \"%s\" is given twice", shown);
    }
  if (sk_ASN1_OBJECT_push (self->ekus, object) <= 0)
    {
      ASN1_OBJECT_free (object);
      return identity_x509_fail (error, "add an extended key usage");
    }
  return TRUE;
}

/* The request */

gboolean
identity_csr_check (const IdentityCsr *self, GError **error)
{
  if (X509_NAME_entry_count (self->subject) == 0 && sk_GENERAL_NAME_num (self->sans) == 0)
    return refuse (error, "a certificate signing request needs a subject or an alternative name");
  return TRUE;
}

IdentityHash
identity_csr_get_hash (const IdentityCsr *self)
{
  return self->hash;
}

static gboolean
add_extensions (const IdentityCsr *self, X509_REQ *request)
{
  X509_EXTENSIONS *extensions = NULL;
  /* Where the subject is empty, the names must be critical (RFC 5280, 4.2.1.6). */
  int critical = X509_NAME_entry_count (self->subject) == 0 ? 1 : 0;
  gboolean added = TRUE;

  if (sk_GENERAL_NAME_num (self->sans) > 0)
    added = X509V3_add1_i2d (&extensions, NID_subject_alt_name, self->sans, critical, X509V3_ADD_DEFAULT) == 1;
  if (added && sk_ASN1_OBJECT_num (self->ekus) > 0)
    added = X509V3_add1_i2d (&extensions, NID_ext_key_usage, self->ekus, 0, X509V3_ADD_DEFAULT) == 1;
  /* A request without extensions stays without the attribute too: there are readers with room for 512 bytes. */
  if (added && extensions != NULL)
    added = X509_REQ_add_extensions (request, extensions) == 1;
  sk_X509_EXTENSION_pop_free (extensions, X509_EXTENSION_free);
  return added;
}

static GBytes *
encode_info (const IdentityCsr *self, EVP_PKEY *key, GError **error)
{
  g_autoptr (X509_REQ) request = X509_REQ_new ();
  guint8 *der = NULL;
  int size = 0;

  if (request != NULL && X509_REQ_set_version (request, X509_REQ_VERSION_1) == 1
      && X509_REQ_set_subject_name (request, self->subject) == 1 && X509_REQ_set_pubkey (request, key) == 1
      && add_extensions (self, request))
    size = i2d_re_X509_REQ_tbs (request, &der);
  return identity_x509_take_der (der, size, "encode a certificate signing request", error);
}

static gboolean
verify_request (GBytes *der, EVP_PKEY *key, GError **error)
{
  const guint8 *at = g_bytes_get_data (der, NULL);
  g_autoptr (X509_REQ) request = d2i_X509_REQ (NULL, &at, (long) g_bytes_get_size (der));
  gboolean good = request != NULL && X509_REQ_verify (request, key) == 1;

  ERR_clear_error ();
  if (!good)
    g_set_error_literal (error, TPMID_ERROR, TPMID_ERROR_UNTRUSTED_RESPONSE,
                         "the signature made for the certificate signing request is not good; no request is made");
  return good;
}

GBytes *
identity_csr_sign (const IdentityCsr *self, const IdentitySigner *signer, GError **error)
{
  g_autoptr (EVP_PKEY) key = identity_x509_key_from_spki (signer->spki);
  g_autoptr (GBytes) info = NULL;
  g_autoptr (GBytes) der = NULL;

  if (!identity_csr_check (self, error))
    return NULL;
  if (key == NULL || !EVP_PKEY_is_a (key, "EC"))
    {
      g_set_error_literal (error, TPMID_ERROR, TPMID_ERROR_UNSUPPORTED_ALGORITHM,
                           "a certificate signing request can be made for an EC key only");
      return NULL;
    }
  info = encode_info (self, key, error);
  if (info == NULL)
    return NULL;
  der = identity_x509_sign (signer, self->hash, g_bytes_get_data (info, NULL), g_bytes_get_size (info), error);
  return der != NULL && verify_request (der, key, error) ? g_steal_pointer (&der) : NULL;
}
