/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sign-with-identity FILE: signs the SHA-256 of FILE with the device's key, whether it is in the TPM or in software, and prints
 * how, the signature, and the certificate that verifies it. Needs the right to sign (group tpmid-sign).
 *
 *   cc -o sign-with-identity sign-with-identity.c $(pkg-config --cflags --libs libtpmid libcrypto)
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <tpmid.h>

#define DIGEST_SIZE 32

static bool
hash_file (const char *path, uint8_t digest[DIGEST_SIZE])
{
  FILE *file = fopen (path, "rbe");
  EVP_MD_CTX *context = EVP_MD_CTX_new ();
  bool good = file != NULL && context != NULL && EVP_DigestInit_ex (context, EVP_sha256 (), NULL) > 0;
  char buffer[4096];
  size_t size;

  while (good && (size = fread (buffer, 1, sizeof buffer, file)) > 0)
    good = EVP_DigestUpdate (context, buffer, size) > 0;
  good = good && !ferror (file) && EVP_DigestFinal_ex (context, digest, NULL) > 0;
  EVP_MD_CTX_free (context);
  if (file != NULL)
    (void) fclose (file);
  if (!good)
    perror (path);
  return good;
}

static void
print_hex (const char *what, const uint8_t *data, size_t size)
{
  printf ("%s ", what);
  for (size_t i = 0; i < size; i++)
    printf ("%02x", data[i]);
  puts ("");
}

/* Mode, key, signature and certificate belong together: all come from one identity, and the signature is by its key. */
static int
sign_and_print (const tpmid_identity *identity, const uint8_t digest[DIGEST_SIZE], tpmid_error *error)
{
  uint8_t *signature = NULL;
  size_t size = 0;
  int r = tpmid_identity_sign (identity, "sha256", digest, DIGEST_SIZE, TPMID_TIMEOUT_DEFAULT, &signature, &size, error);

  if (r < 0)
    return r;
  printf ("mode %s\nalgorithm %s\n", tpmid_identity_mode (identity), tpmid_identity_algorithm (identity));
  print_hex ("reference", tpmid_identity_reference (identity), 32);
  print_hex ("signature", signature, size);
  fputs (tpmid_identity_certificate (identity), stdout);
  free (signature);
  return 0;
}

static int
sign_with_identity (tpmid_client *client, const uint8_t digest[DIGEST_SIZE], tpmid_error *error)
{
  tpmid_identity *identity = NULL;
  int r = tpmid_get_identity (client, TPMID_TIMEOUT_DEFAULT, &identity, error);

  if (r >= 0)
    r = sign_and_print (identity, digest, error);
  tpmid_identity_free (identity);
  return r;
}

int
main (int argc, char **argv)
{
  uint8_t digest[DIGEST_SIZE];
  tpmid_client *client = NULL;
  tpmid_error error;
  int r;

  if (argc != 2)
    {
      fprintf (stderr, "usage: %s FILE\n", argv[0]);
      return 2;
    }
  if (!hash_file (argv[1], digest) || tpmid_client_new (NULL, &client) < 0)
    return EXIT_FAILURE;
  r = sign_with_identity (client, digest, &error);
  /* The key was exchanged between the two calls: the new one signs. */
  if (r < 0 && tpmid_error_is (&error, "NotFound"))
    r = sign_with_identity (client, digest, &error);
  tpmid_client_free (client);
  if (r < 0)
    fprintf (stderr, "%s: %s\n", error.name, error.message);
  return r < 0 || fflush (stdout) != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
