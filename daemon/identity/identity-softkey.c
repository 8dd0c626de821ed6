/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-softkey.h"

#include "base-error.h"
#include "base-file.h"
#include "identity-x509.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FILE_MAX (16 * 1024)
#define RSA_BLOCK_MAX 256

/* Super block magics of file systems that keep no modes: linux/magic.h, fs/exfat/exfat_raw.h. */
#define MAGIC_MSDOS 0x4d44
#define MAGIC_EXFAT 0x2011bab0

struct IdentitySoftkey
{
  gatomicrefcount refs;
  EVP_PKEY *key;
  IdentityAlgorithm algorithm;
  GBytes *spki;
};

/* A key file as read; wiped when it goes out of scope. */
typedef struct
{
  int fd;
  mode_t mode;
  gboolean has_modes;
  gsize size;
  guint8 data[FILE_MAX + 1];
} KeyFile;

static void
key_file_clear (KeyFile *file)
{
  if (file->fd >= 0)
    (void) close (file->fd);
  explicit_bzero (file->data, sizeof file->data);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (KeyFile, key_file_clear)

static gboolean
key_file_open (KeyFile *file, const char *path, GError **error)
{
  struct stat st;
  struct statfs fs;

  file->fd = open (path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (file->fd < 0 && errno == ENOENT)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND, "%s does not exist", path);
      return FALSE;
    }
  if (file->fd < 0 || fstat (file->fd, &st) < 0 || fstatfs (file->fd, &fs) < 0)
    return base_error_set_errno (error, errno, "cannot open key file %s", path);
  if (!S_ISREG (st.st_mode))
    return base_error_set_errno (error, EINVAL, "key file %s is not a regular file", path);
  file->mode = st.st_mode & 07777;
  file->has_modes = fs.f_type != MAGIC_MSDOS && fs.f_type != MAGIC_EXFAT;
  return TRUE;
}

static gboolean
key_file_read (KeyFile *file, const char *path, GError **error)
{
  ssize_t n;

  if (!key_file_open (file, path, error))
    return FALSE;
  while (file->size < sizeof file->data && (n = read (file->fd, file->data + file->size, sizeof file->data - file->size)) != 0)
    {
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return base_error_set_errno (error, errno, "cannot read key file %s", path);
      file->size += (gsize) n;
    }
  if (file->size > FILE_MAX)
    return base_error_set_errno (error, EFBIG, "key file %s is larger than %d bytes", path, FILE_MAX);
  return TRUE;
}

char *
identity_softkey_describe_exposure (const char *path, guint mode, gboolean has_modes)
{
  if ((mode & 077) == 0)
    return NULL;
  if (has_modes)
    return g_strdup_printf ("others than its owner may use the private key in %s (mode %04o); chmod 600 it", path, mode);
  return g_strdup_printf ("others than the daemon may use the private key in %s: its file system keeps no modes and shows %04o; "
                          "mount it with umask=0077, or move it to one that does", path, mode);
}

static EVP_PKEY *
decode_key (const void *data, gsize size, const char *path, GError **error)
{
  g_autoptr (BIO) bio = BIO_new_mem_buf (data, (int) size);
  gboolean encrypted = FALSE;
  EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey (bio, NULL, identity_x509_no_password, &encrypted) : NULL;

  ERR_clear_error ();
  if (key == NULL && encrypted)
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "the private key in %s is encrypted; nobody can type its password at "
                 "boot, store it without one", path);
  else if (key == NULL)
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "%s holds no private key in PEM that can be decoded", path);
  return key;
}

/* What the device key may be. */
static gboolean
check_algorithm (const EVP_PKEY *key, const char *path, IdentityAlgorithm *ret_algorithm, GError **error)
{
  char curve[64] = "";

  if (identity_x509_algorithm_of_key (key, ret_algorithm) && *ret_algorithm != IDENTITY_ALGORITHM_RSA_2048)
    return TRUE;
  if (EVP_PKEY_is_a (key, "EC"))
    {
      (void) EVP_PKEY_get_utf8_string_param (key, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof curve, NULL);
      ERR_clear_error ();
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNSUPPORTED_ALGORITHM, "%s is an EC key on the curve %s; the device key must "
                   "be on P-256 or P-384", path, curve[0] != '\0' ? curve : "of its own parameters");
      return FALSE;
    }
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNSUPPORTED_ALGORITHM, "%s is an %s key; the device key must be an EC key on "
               "P-256 or P-384", path, EVP_PKEY_get0_type_name (key));
  return FALSE;
}

/* That the public half is the private half's own is not sure for a file; signatures that nobody can verify would follow. */
static gboolean
check_pair (EVP_PKEY *key, const char *path, GError **error)
{
  g_autoptr (EVP_PKEY_CTX) context = EVP_PKEY_CTX_new_from_pkey (NULL, key, NULL);
  gboolean good = context != NULL && EVP_PKEY_check (context) == 1;

  ERR_clear_error ();
  if (!good)
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "the private key in %s does not belong to the public key beside it",
                 path);
  return good;
}

/* Takes @key over, also on failure. */
static IdentitySoftkey *
softkey_new (EVP_PKEY *key, IdentityAlgorithm algorithm, GError **error)
{
  g_autoptr (EVP_PKEY) owned = key;
  g_autoptr (GBytes) spki = identity_x509_spki_from_key (key, algorithm, error);

  if (spki == NULL)
    return NULL;
  IdentitySoftkey *self = g_new0 (IdentitySoftkey, 1);
  g_atomic_ref_count_init (&self->refs);
  self->key = g_steal_pointer (&owned);
  self->algorithm = algorithm;
  self->spki = g_steal_pointer (&spki);
  return self;
}

IdentitySoftkey *
identity_softkey_load (const char *path, char **ret_warning, GError **error)
{
  g_auto (KeyFile) file = { .fd = -1 };
  g_autoptr (EVP_PKEY) key = NULL;
  IdentityAlgorithm algorithm;

  if (!key_file_read (&file, path, error))
    return NULL;
  key = decode_key (file.data, file.size, path, error);
  if (key == NULL || !check_algorithm (key, path, &algorithm, error) || !check_pair (key, path, error))
    return NULL;

  IdentitySoftkey *self = softkey_new (g_steal_pointer (&key), algorithm, error);
  if (self != NULL && ret_warning != NULL)
    *ret_warning = identity_softkey_describe_exposure (path, file.mode, file.has_modes);
  return self;
}

static gboolean
check_free (const char *path, GError **error)
{
  struct stat st;

  if (lstat (path, &st) == 0)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_EXISTS, "%s is there already and will not be replaced; move it "
                   "away for a new key", path);
      return FALSE;
    }
  if (errno != ENOENT)
    return base_error_set_errno (error, errno, "cannot look for key file %s", path);
  return TRUE;
}

IdentitySoftkey *
identity_softkey_decode (const char *pem, gsize size, const char *path, GError **error)
{
  g_autoptr (EVP_PKEY) key = decode_key (pem, size, path, error);
  IdentityAlgorithm algorithm;

  if (key == NULL)
    return NULL;
  if (!identity_x509_algorithm_of_key (key, &algorithm))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNSUPPORTED_ALGORITHM, "the key in %s is of a kind that tpmidd does not make", path);
      return NULL;
    }
  return check_pair (key, path, error) ? softkey_new (g_steal_pointer (&key), algorithm, error) : NULL;
}

BaseSecret *
identity_softkey_encode (const IdentitySoftkey *self, GError **error)
{
  /* Memory of this kind is cleared when freed. */
  g_autoptr (BIO) bio = BIO_new (BIO_s_secmem ());
  char *pem = NULL;

  if (bio == NULL || PEM_write_bio_PKCS8PrivateKey (bio, self->key, NULL, NULL, 0, NULL, NULL) != 1)
    {
      identity_x509_fail (error, "encode a new private key");
      return NULL;
    }
  long size = BIO_get_mem_data (bio, &pem);
  return base_secret_new (pem, (gsize) size);
}

static EVP_PKEY *
generate (IdentityAlgorithm algorithm)
{
  switch (algorithm)
    {
    case IDENTITY_ALGORITHM_ECC_P256:
      return EVP_EC_gen (SN_X9_62_prime256v1);
    case IDENTITY_ALGORITHM_ECC_P384:
      return EVP_EC_gen (SN_secp384r1);
    case IDENTITY_ALGORITHM_RSA_2048:
      return EVP_RSA_gen (2048);
    }
  g_return_val_if_reached (NULL);
}

IdentitySoftkey *
identity_softkey_new (IdentityAlgorithm algorithm, GError **error)
{
  EVP_PKEY *key = generate (algorithm);

  if (key != NULL)
    return softkey_new (key, algorithm, error);
  identity_x509_fail (error, "make a new private key");
  return NULL;
}

IdentitySoftkey *
identity_softkey_generate (const char *path, GError **error)
{
  g_autoptr (IdentitySoftkey) self = NULL;
  g_autoptr (BaseSecret) pem = NULL;
  gsize size;

  if (!check_free (path, error))
    return NULL;
  self = identity_softkey_new (IDENTITY_ALGORITHM_ECC_P256, error);
  pem = self != NULL ? identity_softkey_encode (self, error) : NULL;
  if (pem == NULL)
    return NULL;
  const guint8 *data = base_secret_peek (pem, &size);
  return base_file_replace (path, data, size, 0600, error) ? g_steal_pointer (&self) : NULL;
}

IdentitySoftkey *
identity_softkey_ref (IdentitySoftkey *self)
{
  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
identity_softkey_unref (IdentitySoftkey *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->refs))
    return;
  EVP_PKEY_free (self->key);
  g_bytes_unref (self->spki);
  g_free (self);
}

IdentityAlgorithm
identity_softkey_get_algorithm (const IdentitySoftkey *self)
{
  return self->algorithm;
}

GBytes *
identity_softkey_peek_spki (const IdentitySoftkey *self)
{
  return self->spki;
}

GBytes *
identity_softkey_sign (const IdentitySoftkey *self, IdentityHash hash, GBytes *digest, GError **error)
{
  g_autoptr (EVP_PKEY_CTX) context = NULL;
  guint8 signature[128]; /* an ECDSA-Sig-Value on P-384 takes at most 104 */
  gsize size = sizeof signature;

  if (g_bytes_get_size (digest) != identity_hash_size (hash))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "a %s digest has %" G_GSIZE_FORMAT " bytes, not %"
                   G_GSIZE_FORMAT, identity_hash_name (hash), identity_hash_size (hash), g_bytes_get_size (digest));
      return NULL;
    }
  context = EVP_PKEY_CTX_new_from_pkey (NULL, self->key, NULL);
  if (context == NULL || EVP_PKEY_sign_init (context) != 1
      || EVP_PKEY_sign (context, signature, &size, g_bytes_get_data (digest, NULL), g_bytes_get_size (digest)) != 1)
    {
      identity_x509_fail (error, "sign with the software key");
      return NULL;
    }
  return g_bytes_new (signature, size);
}

BaseSecret *
identity_softkey_decrypt (const IdentitySoftkey *self, GBytes *block, GError **error)
{
  g_autoptr (EVP_PKEY_CTX) context = EVP_PKEY_CTX_new_from_pkey (NULL, self->key, NULL);
  gsize block_size, size;
  const guint8 *data = g_bytes_get_data (block, &block_size);
  guint8 result[RSA_BLOCK_MAX];
  BaseSecret *secret = NULL;

  size = sizeof result;
  if (context != NULL && block_size <= sizeof result && EVP_PKEY_decrypt_init (context) == 1
      && EVP_PKEY_CTX_set_rsa_padding (context, RSA_NO_PADDING) == 1
      && EVP_PKEY_decrypt (context, result, &size, data, block_size) == 1 && size == block_size)
    secret = base_secret_new (result, size);
  else
    g_set_error (error, TPMID_ERROR, TPMID_ERROR_DECRYPT_FAILED, "decrypt with the software key: it refused the block");
  explicit_bzero (result, sizeof result);
  ERR_clear_error ();
  return secret;
}
