/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-pem.h"

#include "client-file.h"

#include <string.h>

#define CHAIN_MAX 65536 /* org.tpmid1.Device.InstallCertificate */

gboolean
client_pem_load (const char *path, char **ret_pem, tpmid_error *error)
{
  g_autoptr (GBytes) content = NULL;
  gsize size;

  if (!client_file_read_start (path, CHAIN_MAX + 1, &content, error))
    return FALSE;
  const char *data = g_bytes_get_data (content, &size);
  if (size > CHAIN_MAX)
    return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT, "%s has more than %d bytes, which is no certificate chain",
                             client_file_name (path), CHAIN_MAX);
  if (size == 0 || memchr (data, '\0', size) != NULL || g_strstr_len (data, (gssize) size, "-----BEGIN CERTIFICATE-----") == NULL)
    return client_error_set (error, CLIENT_ERROR_INVALID_ARGUMENT,
                             "%s has no certificate in PEM; openssl x509 -inform DER turns DER "
                             "into it", client_file_name (path));
  *ret_pem = g_strndup (data, size);
  return TRUE;
}
