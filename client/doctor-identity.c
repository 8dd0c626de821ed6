/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-crypto.h"
#include "client-openssl.h"
#include "client-value.h"
#include "doctor.h"

#include <errno.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define DIGEST_SIZE 32
#define SOON_DAYS 30
/* A replaced file is there twice for a moment; records and keys are of a few KiB. */
#define SPACE_LOW (4u << 20)
#define SPACE_NONE (64u << 10)

G_DEFINE_AUTOPTR_CLEANUP_FUNC (X509, X509_free)

static void
check_mode (Doctor *self)
{
  const char *mode = client_value_text (self->status, "mode"), *hint = client_value_text (self->status, "hint");
  gboolean is_good = g_str_equal (mode, "tpm") || g_str_equal (mode, "software");
  DoctorResult result = is_good ? DOCTOR_PASS : g_str_equal (mode, "fault") ? DOCTOR_FAIL : DOCTOR_WARN;

  doctor_add (self, "identity", "mode", result,
              is_good ? NULL : hint[0] != '\0' ? hint : "tpmidctl status says what it is waiting for.", "%s, %s (%s)", mode,
              client_value_text (self->status, "state"), client_value_text (self->status, "reason"));
}

static void
check_problems (Doctor *self)
{
  const tpmid_value *problems = tpmid_value_find (self->status, "problems");

  for (gsize i = 0; i < tpmid_value_count (problems); i++)
    doctor_add (self, "identity", "problem", DOCTOR_WARN, "tpmidd tries it again by itself; mend what the text names.", "%s",
                tpmid_value_string (tpmid_value_at (problems, i, NULL)));
  if (tpmid_value_count (problems) == 0)
    doctor_add (self, "identity", "problem", DOCTOR_PASS, NULL, "none");
}

static void
check_operation (Doctor *self)
{
  const tpmid_value *operation = tpmid_value_find (self->status, "operation");
  const char *state = client_value_text (operation, "state"), *detail = client_value_text (operation, "detail");
  gboolean is_good = g_str_equal (state, "done") || g_str_equal (state, "running");

  if (tpmid_value_count (operation) == 0)
    return;
  doctor_add (self, "identity", "operation", is_good ? DOCTOR_PASS : g_str_equal (state, "failed") ? DOCTOR_FAIL : DOCTOR_WARN,
              is_good ? NULL
              : g_str_equal (state, "waiting") ? "It is carried out as soon as the TPM can be used."
                                               : "Do what the text says, and order it again.",
              "%s: %s%s%s", client_value_text (operation, "name"), state, detail[0] != '\0' ? ": " : "", detail);
}

/* A signature like any other, over a digest of nothing. */
static void
check_signature (Doctor *self, const tpmid_value *key)
{
  ClientDigest digest = { .hash = "sha256", .md = EVP_sha256 (), .size = DIGEST_SIZE };
  g_autofree guint8 *data = NULL;
  gsize size, public_size;
  tpmid_error error;
  const guint8 *public_key = tpmid_value_bytes (tpmid_value_find (key, "PublicKey"), &public_size);

  if (RAND_bytes (digest.data, DIGEST_SIZE) != 1)
    return;
  if (tpmid_sign (client_session_get (self->session), "device", digest.data, DIGEST_SIZE, NULL, self->session->timeout_ms,
                  &data, &size,
                  &error) < 0)
    {
      gboolean is_refused = tpmid_error_is (&error, "NotAuthorized");
      doctor_note_error (self, &error);
      doctor_add (self, "identity", "key", is_refused ? DOCTOR_SKIP : DOCTOR_FAIL,
                  is_refused ? NULL : "tpmidctl status says what the TPM is doing; tpmidctl explain explains the error.", "%s%s",
                  is_refused ? "" : "the device key does not sign: ",
                  is_refused ? "this user may not sign; root and the group tpmid-sign may" : error.message);
      return;
    }

  g_autoptr (GBytes) signature = g_bytes_new (data, size);
  if (client_crypto_verify (public_key, public_size, &digest, signature, &error))
    doctor_add (self, "identity", "key", DOCTOR_PASS, NULL, "a signature of the device key, %s, was made and verifies",
                client_value_text (key, "Algorithm"));
  else if (g_str_equal (error.name, CLIENT_ERROR_UNSUPPORTED_ALGORITHM))
    doctor_add (self, "identity", "key", DOCTOR_PASS, NULL, "a signature of the device key, %s, was made",
                client_value_text (key, "Algorithm"));
  else
    doctor_add (self, "identity", "key", DOCTOR_FAIL, "Do not use this device: something sits between it and its TPM.", "%s",
                error.message);
}

static void
check_key (Doctor *self, tpmid_value **ret_key)
{
  g_autoptr (tpmid_value) key = NULL;
  tpmid_error error;

  if (client_value_text (tpmid_value_find (self->status, "key"), "reference")[0] == '\0')
    {
      doctor_add (self, "identity", "key", DOCTOR_SKIP, NULL, "this device has no identity key");
      return;
    }
  if (client_value_is (self->status, "mode", "fault"))
    {
      doctor_add (self, "identity", "key", DOCTOR_SKIP, NULL, "in mode fault no key is used");
      return;
    }
  if (tpmid_get_key (client_session_get (self->session), "device", self->session->timeout_ms, &key, &error) < 0)
    {
      doctor_note_error (self, &error);
      doctor_add (self, "identity", "key", DOCTOR_FAIL, "tpmidctl status says what is the matter.", "%s", error.message);
      return;
    }
  check_signature (self, key);
  *ret_key = g_steal_pointer (&key);
}

static void
check_dates (Doctor *self, X509 *certificate)
{
  static const char renew[] = "Renew it: tpmidctl cert regenerate, or tpmidctl csr, have it signed, and tpmidctl cert install.";
  int days = 0, seconds = 0;

  if (X509_cmp_current_time (X509_get0_notBefore (certificate)) > 0)
    doctor_add (self, "identity", "validity", DOCTOR_FAIL, "Set the clock; where that is right, renew the certificate.",
                "the certificate is not valid yet");
  else if (X509_cmp_current_time (X509_get0_notAfter (certificate)) < 0)
    doctor_add (self, "identity", "validity", DOCTOR_FAIL, renew, "the certificate has expired; the key still works");
  else if (ASN1_TIME_diff (&days, &seconds, NULL, X509_get0_notAfter (certificate)) == 1 && days < SOON_DAYS)
    doctor_add (self, "identity", "validity", DOCTOR_WARN, renew, "the certificate expires in %d days", days);
  else
    doctor_add (self, "identity", "validity", DOCTOR_PASS, NULL, "the certificate is valid for another %d days", days);
}

static void
check_certificate (Doctor *self, const tpmid_value *key)
{
  gsize size;
  const guint8 *data = tpmid_value_bytes (tpmid_value_find (key, "PublicKey"), &size);
  g_autoptr (EVP_PKEY) public_key = d2i_PUBKEY (NULL, &data, (long) size);
  g_autofree char *pem = NULL;
  tpmid_error error;

  if (tpmid_get_certificate (client_session_get (self->session), self->session->timeout_ms, &pem, &error) < 0 || pem[0] == '\0')
    {
      doctor_add (self, "identity", "certificate", DOCTOR_FAIL, "tpmidctl status says what is the matter.",
                  "the identity key has no certificate");
      return;
    }

  g_autoptr (BIO) bio = BIO_new_mem_buf (pem, -1);
  g_autoptr (X509) certificate = bio != NULL ? PEM_read_bio_X509 (bio, NULL, NULL, NULL) : NULL;
  gboolean fits = certificate != NULL && public_key != NULL && EVP_PKEY_eq (X509_get0_pubkey (certificate), public_key) == 1;
  doctor_add (self, "identity", "certificate", fits ? DOCTOR_PASS : DOCTOR_FAIL,
              fits ? NULL : "Make a new one: tpmidctl cert regenerate.", "%s",
              fits ? "the certificate is of the device key" : "the certificate is not of the device key");
  if (certificate != NULL)
    check_dates (self, certificate);
}

/* (transfer full) (nullable): what a line KEY=VALUE of the marker says */
static char *
value_of (const char *content, const char *key)
{
  g_auto (GStrv) lines = g_strsplit (content, "\n", -1);
  gsize length = strlen (key);

  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], key) && lines[i][length] == '=')
      return g_strdup (lines[i] + length + 1);
  return NULL;
}

/* What a file says, compared with the bus: NULL where it agrees. */
static char *
find_difference (const Doctor *self, const char *content)
{
  const char *mode = client_value_text (self->status, "mode");
  const char *reference = client_value_text (tpmid_value_find (self->status, "key"), "reference");
  g_autofree char *says_mode = value_of (content, "MODE");
  g_autofree char *says_key = value_of (content, "KEY");

  if (g_strcmp0 (says_mode, mode) != 0)
    return g_strdup_printf ("it says mode %s, tpmidd says %s", says_mode != NULL ? says_mode : "nothing", mode);
  if (reference[0] != '\0' && g_strcmp0 (says_key, reference) != 0)
    return g_strdup ("it names another key than tpmidd does");
  return NULL;
}

/* In another mode than the two the marker stays as it was. */
static void
judge_marker (Doctor *self, const char *path, const char *content)
{
  static const char next[] = "tpmidd writes it again at each start: systemctl restart tpmidd; can it write there?";
  const char *mode = client_value_text (self->status, "mode");
  gboolean is_wanted = g_str_equal (mode, "tpm"), is_unwanted = g_str_equal (mode, "software");
  g_autofree char *difference = is_wanted && content != NULL ? find_difference (self, content) : NULL;

  if (difference != NULL)
    doctor_add (self, "identity", "marker", DOCTOR_FAIL, next, "%s: %s", path, difference);
  else if (content == NULL ? is_wanted : is_unwanted)
    doctor_add (self, "identity", "marker", DOCTOR_FAIL, next, "%s is%s there in mode %s", path,
                content == NULL ? " not" : "", mode);
  else if (is_wanted)
    doctor_add (self, "identity", "marker", DOCTOR_PASS, NULL, "%s agrees with tpmidd", path);
  else if (is_unwanted)
    doctor_add (self, "identity", "marker", DOCTOR_PASS, NULL, "%s is not there, as in mode software it must not be", path);
  else
    doctor_add (self, "identity", "marker", DOCTOR_PASS, NULL, "%s is%s there, as it was before mode %s", path,
                content == NULL ? " not" : "", mode);
}

static void
check_marker (Doctor *self)
{
  g_autofree char *path = doctor_find_path (self, "marker", "marker");
  g_autofree char *content = path != NULL ? doctor_read (path) : NULL;
  int number = errno;

  if (path == NULL)
    return;
  if (content == NULL && number != ENOENT)
    doctor_add (self, "identity", "marker", DOCTOR_SKIP, NULL, "%s: %s", path, g_strerror (number));
  else
    judge_marker (self, path, content);
}

static void
check_mode_file (Doctor *self)
{
  g_autofree char *folder = doctor_find_path (self, "mode-file", "runtime");

  if (folder == NULL)
    return;

  g_autofree char *path = g_build_filename (folder, "mode", NULL);
  g_autofree char *content = doctor_read (path);
  g_autofree char *difference = content != NULL ? find_difference (self, content) : g_strdup (g_strerror (errno));
  gboolean is_early = client_value_is (self->status, "state", "starting");

  if (is_early && difference != NULL)
    doctor_add (self, "identity", "mode-file", DOCTOR_SKIP, NULL, "%s is written when the mode is decided", path);
  else if (difference != NULL)
    doctor_add (self, "identity", "mode-file", DOCTOR_FAIL, "systemctl restart tpmidd; can it write there?", "%s: %s", path,
                difference);
  else
    doctor_add (self, "identity", "mode-file", DOCTOR_PASS, NULL, "%s agrees with tpmidd", path);
}

static void
check_space (Doctor *self, const char *path)
{
  struct statvfs fs;

  if (statvfs (path, &fs) != 0)
    {
      doctor_add (self, "identity", "space", DOCTOR_SKIP, NULL, "%s: %s", path, g_strerror (errno));
      return;
    }
  guint64 space = (guint64) fs.f_bavail * fs.f_frsize;
  gboolean has_files = fs.f_files == 0 || fs.f_favail > 0;
  gboolean is_read_only = (fs.f_flag & ST_RDONLY) != 0;
  DoctorResult result = space < SPACE_NONE || !has_files || is_read_only ? DOCTOR_FAIL
                        : space < SPACE_LOW                              ? DOCTOR_WARN
                                                                         : DOCTOR_PASS;
  g_autofree char *size = g_format_size_full (space, G_FORMAT_SIZE_IEC_UNITS);
  doctor_add (self, "identity", "space", result,
              result == DOCTOR_PASS ? NULL : is_read_only ? "Mount it writable." : "Make room on that file system.",
              "%s: %s free%s%s", path,
              size, has_files ? "" : ", but no inode", is_read_only ? ", but read-only" : "");
}

static void
check_state_folder (Doctor *self)
{
  g_autofree char *path = doctor_find_path (self, "state-folder", "state");
  struct stat st;

  if (path == NULL)
    return;
  if (stat (path, &st) != 0)
    {
      doctor_add (self, "identity", "state-folder", errno == EACCES ? DOCTOR_SKIP : DOCTOR_FAIL,
                  errno == EACCES ? NULL : "systemd-tmpfiles --create makes it; is that file system mounted?", "%s: %s", path,
                  g_strerror (errno));
      return;
    }

  g_autofree char *owner = doctor_user_name (self, st.st_uid);
  uid_t wanted = self->daemon_uid != DOCTOR_NOBODY ? self->daemon_uid : self->tpmidd_uid;
  gboolean is_private = S_ISDIR (st.st_mode) && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0;
  gboolean is_owned = wanted == DOCTOR_NOBODY || st.st_uid == wanted;
  gboolean is_good = is_private && is_owned;
  doctor_add (self, "identity", "state-folder", is_good ? DOCTOR_PASS : DOCTOR_FAIL,
              is_good ? NULL : "Give it to tpmidd alone: chown tpmidd, chmod 0700. What could be read there is to be replaced.",
              "%s is of %s, mode %04o%s", path, owner, (guint) st.st_mode & 07777, is_private ? "" : ": others can look into it");
  check_space (self, path);
}

void
doctor_identity_check (Doctor *self)
{
  g_autoptr (tpmid_value) key = NULL;

  if (self->status == NULL)
    doctor_add (self, "identity", "mode", DOCTOR_SKIP, NULL, "tpmidd does not answer");
  else
    {
      check_mode (self);
      check_problems (self);
      check_operation (self);
      check_key (self, &key);
      if (key != NULL)
        check_certificate (self, key);
      check_marker (self);
      check_mode_file (self);
    }
  check_state_folder (self);
}
