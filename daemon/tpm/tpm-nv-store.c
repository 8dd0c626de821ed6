/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-nv-private.h"

#include "base-error.h"
#include "tpm-authority.h"
#include "tpm-auto.h"
#include "tpm-hmac.h"
#include "tpm-rc.h"
#include "tpm-session.h"
#include "tpm-template.h"
#include "tpm-wipe.h"

#include <string.h>
#include <tss2/tss2_sys.h>

#define DOING_SIZE 64

static void
describe (char doing[DOING_SIZE], const char *verb, guint32 index)
{
  (void) g_snprintf (doing, DOING_SIZE, "%s NV index 0x%08x", verb, index);
}

static const guint8 *
peek (const TpmNvStore *what, gsize *ret_size)
{
  return what->secret != NULL ? base_secret_peek (what->secret, ret_size) : g_bytes_get_data (what->bytes, ret_size);
}

static gboolean
check_arguments (TpmLink *link, guint32 index, gsize size, GError **error)
{
  guint max = tpm_link_facts (link)->nv_buffer_max;

  if (tpm_nv_is_owners (index) && size > 0 && size <= max)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT,
               "NV index 0x%08x with %" G_GSIZE_FORMAT " bytes: the index must be in the owner's range, the size 1 to %u", index, size, max);
  return FALSE;
}

gboolean
tpm_nv_fail_taken (guint32 index, GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN,
               "NV index 0x%08x was not defined by tpmidd; configure another, or remove it with tpm2_nvundefine 0x%08x", index, index);
  return FALSE;
}

static gboolean
fail_different (guint32 index, GError **error)
{
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_UNTRUSTED_RESPONSE, "NV index 0x%08x reads differently from what was written", index);
  return FALSE;
}

/* By the index's own authorization; in a session that encrypts the answer, where it @is_secret. */
static gboolean
read_whole (TpmLink *link, const TPMS_NV_PUBLIC *public, ESYS_TR index, gboolean is_secret, const TpmParent *parent, BaseSecret **ret_content,
            GError **error)
{
  g_auto (TpmSession) session = { link, ESYS_TR_NONE };
  g_autoptr (TPM2B_MAX_NV_BUFFER) data = NULL;
  char doing[DOING_SIZE];

  if (is_secret && !tpm_session_start (link, parent, TPMA_SESSION_ENCRYPT, &session, error))
    return FALSE;
  describe (doing, "read", public->nvIndex);
  TSS2_RC rc = Esys_NV_Read (tpm_link_esys (link), index, index, is_secret ? session.tr : ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                             public->dataSize, 0, &data);
  tpm_wipe_traces (link, rc);
  tpm_hmac_end (&session, rc);
  if (rc == TSS2_RC_SUCCESS && data->size != public->dataSize)
    rc = TSS2_ESYS_RC_MALFORMED_RESPONSE;
  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, doing);
  *ret_content = base_secret_new (data->buffer, data->size);
  return TRUE;
}

static gboolean
check_readable (TpmLink *link, const TPMS_NV_PUBLIC *public, GError **error)
{
  const TPMA_NV by_itself = TPMA_NV_AUTHREAD | TPMA_NV_NO_DA;
  char doing[DOING_SIZE];

  describe (doing, "read", public->nvIndex);
  if ((public->attributes & TPMA_NV_WRITTEN) == 0)
    return tpm_rc_set_error (error, TPM2_RC_NV_UNINITIALIZED, doing);
  if ((public->attributes & TPMA_NV_READLOCKED) != 0)
    return tpm_rc_set_error (error, TPM2_RC_NV_LOCKED, doing);
  if ((public->attributes & by_itself) != by_itself)
    return tpm_rc_set_error (error, TPM2_RC_NV_AUTHORIZATION, doing);
  return check_arguments (link, public->nvIndex, public->dataSize, error);
}

static gboolean
read_index (TpmLink *link, guint32 index, gboolean is_secret, const TpmParent *parent, BaseSecret **ret_content, GError **error)
{
  g_auto (TpmReference) reference = { link, ESYS_TR_NONE };
  TPMS_NV_PUBLIC public;

  return tpm_nv_open (link, index, &reference, &public, error) && check_readable (link, &public, error)
         && read_whole (link, &public, reference.tr, is_secret, parent, ret_content, error);
}

gboolean
tpm_nv_read_secret (TpmLink *link, guint32 index, const TpmParent *parent, BaseSecret **ret_secret, GError **error)
{
  return read_index (link, index, TRUE, parent, ret_secret, error);
}

static gboolean
equals (const TpmNvStore *what, const BaseSecret *content)
{
  gsize wanted_size, size;
  const guint8 *wanted = peek (what, &wanted_size);
  const guint8 *data = base_secret_peek (content, &size);

  return wanted_size == size && memcmp (wanted, data, size) == 0;
}

static gboolean
write_whole (TpmLink *link, guint32 index, ESYS_TR tr, const TpmNvStore *what, const TpmParent *parent, GError **error)
{
  g_auto (TpmAuthority) owner = TPM_AUTHORITY (link, TPM_HIERARCHY_OWNER);
  TPM2B_MAX_NV_BUFFER data;
  char doing[DOING_SIZE];
  gsize size;
  const guint8 *bytes = peek (what, &size);

  if (what->secret != NULL ? !tpm_session_authorize (parent, &owner, error) : !tpm_authority_open (&owner, error))
    return FALSE;
  describe (doing, "write", index);
  data.size = (guint16) size;
  memcpy (data.buffer, bytes, size);
  TSS2_RC rc = Esys_NV_Write (tpm_link_esys (link), owner.tr, tr, owner.by, ESYS_TR_NONE, ESYS_TR_NONE, &data, 0);
  explicit_bzero (&data, sizeof data);
  tpm_wipe_traces (link, rc);
  return tpm_authority_end (&owner, rc, error, doing);
}

static gboolean
define_and_write (TpmLink *link, const TPM2B_NV_PUBLIC *template, const TpmNvStore *what, const TpmParent *parent, GError **error)
{
  g_auto (TpmReference) reference = { link, ESYS_TR_NONE };

  return tpm_nv_define (link, template, &reference, error)
         && write_whole (link, template->nvPublic.nvIndex, reference.tr, what, parent, error);
}

/* What is there is ours, and made for @what. @ret_done: nothing is left to be read back. */
static gboolean
write_again (TpmLink *link, const TPMS_NV_PUBLIC *public, ESYS_TR tr, const TpmNvStore *what, const TpmParent *parent, gboolean *ret_done,
             GError **error)
{
  g_autoptr (BaseSecret) content = NULL;
  gboolean is_locked = (public->attributes & TPMA_NV_READLOCKED) != 0;
  gboolean is_written = (public->attributes & TPMA_NV_WRITTEN) != 0;

  if (is_written && !is_locked && !read_whole (link, public, tr, what->secret != NULL, parent, &content, error))
    return FALSE;
  /* The tag of one that is locked tells what it holds, if any does. */
  gboolean same = content != NULL ? equals (what, content) : is_written && tpm_template_tells_content (what->kind);
  *ret_done = same || is_locked;
  return same || write_whole (link, public->nvIndex, tr, what, parent, error);
}

static gboolean
has_same_tag (const TPMS_NV_PUBLIC *a, const TPMS_NV_PUBLIC *b)
{
  return a->authPolicy.size == b->authPolicy.size && memcmp (a->authPolicy.buffer, b->authPolicy.buffer, a->authPolicy.size) == 0;
}

static gboolean
store_over (TpmLink *link, const TPM2B_NV_PUBLIC *template, const TpmNvStore *what, const TpmParent *parent, gboolean *ret_done, GError **error)
{
  g_auto (TpmReference) reference = { link, ESYS_TR_NONE };
  TPMS_NV_PUBLIC public;
  guint32 index = template->nvPublic.nvIndex;

  if (!tpm_nv_open (link, index, &reference, &public, error))
    return FALSE;
  if (!tpm_template_is_store (&public, &template->nvPublic))
    return tpm_nv_fail_taken (index, error);
  if (public.dataSize == template->nvPublic.dataSize && has_same_tag (&public, &template->nvPublic))
    return write_again (link, &public, reference.tr, what, parent, ret_done, error);
  /* ESYS has one record of an index, whoever opens it. */
  tpm_reference_clear (&reference);
  return tpm_nv_undefine (link, index, error) && define_and_write (link, template, what, parent, error);
}

static gboolean
compare (TpmLink *link, guint32 index, const TpmNvStore *what, const TpmParent *parent, GError **error)
{
  g_autoptr (BaseSecret) content = NULL;

  /* Writing changed the index's Name, and with it what ESYS must know of it: look afresh. */
  if (!tpm_link_check_open (link, error) || !read_index (link, index, what->secret != NULL, parent, &content, error))
    return FALSE;
  return equals (what, content) || fail_different (index, error);
}

static void
make_template (guint32 index, const TpmNvStore *what, TPM2B_NV_PUBLIC *ret_template)
{
  guint8 digest[TPM_NV_DIGEST_SIZE];
  gsize size;
  const guint8 *content = peek (what, &size);

  tpm_template_store (index, (guint16) size, what->kind, what->lock_until_restart, ret_template);
  if (!tpm_template_tells_content (what->kind))
    return;
  tpm_template_digest (content, size, digest);
  tpm_template_tell_content (&ret_template->nvPublic, digest);
}

static gboolean
check_kind (guint32 index, TpmNvKind kind, GError **error)
{
  if (kind > TPM_NV_OTHER && kind < TPM_N_NV_KINDS)
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT, "NV index 0x%08x: say what it is for", index);
  return FALSE;
}

gboolean
tpm_nv_store (TpmLink *link, guint32 index, const TpmNvStore *what, const TpmParent *parent, GError **error)
{
  TPM2B_NV_PUBLIC template;
  gboolean exists, done = FALSE;
  gsize size;

  (void) peek (what, &size);
  if (!check_kind (index, what->kind, error) || !check_arguments (link, index, size, error)
      || !tpm_link_has_handle (link, index, &exists, error))
    return FALSE;
  make_template (index, what, &template);
  if (exists ? !store_over (link, &template, what, parent, &done, error) : !define_and_write (link, &template, what, parent, error))
    return FALSE;
  return done || compare (link, index, what, parent, error);
}

gboolean
tpm_nv_read_tag (TpmLink *link, guint32 index, TpmNvTag *ret_tag, GError **error)
{
  /* Below ESYS, which would read the public area twice. */
  TSS2_SYS_CONTEXT *sys = NULL;
  TPM2B_NV_PUBLIC public = { 0 };
  TPM2B_NAME name = { 0 };
  char doing[DOING_SIZE];
  TSS2_RC rc = Esys_GetSysContext (tpm_link_esys (link), &sys);

  describe (doing, "look at", index);
  if (rc == TSS2_RC_SUCCESS)
    rc = Tss2_Sys_NV_ReadPublic (sys, index, NULL, &public, &name, NULL);
  if (rc != TSS2_RC_SUCCESS)
    return tpm_link_fail (link, rc, error, doing);
  *ret_tag = (TpmNvTag){
    .is_written = (public.nvPublic.attributes & TPMA_NV_WRITTEN) != 0,
    .is_locked = (public.nvPublic.attributes & TPMA_NV_READLOCKED) != 0,
  };
  ret_tag->kind = tpm_template_nv_kind (&public.nvPublic, ret_tag->digest);
  return TRUE;
}

gboolean
tpm_nv_tag_tells (const TpmNvTag *tag, const BaseSecret *content)
{
  guint8 digest[TPM_NV_DIGEST_SIZE];
  gsize size;
  const guint8 *data = base_secret_peek (content, &size);

  tpm_template_digest (data, size, digest);
  return tpm_template_tells_content (tag->kind) && memcmp (digest, tag->digest, sizeof digest) == 0;
}

gboolean
tpm_nv_lock_reading (TpmLink *link, guint32 index, GError **error)
{
  /* The empty authorization of the index itself. Below ESYS, which would read the public area first. */
  const TSS2L_SYS_AUTH_COMMAND auths = { .count = 1, .auths = { { .sessionHandle = TPM2_RS_PW } } };
  TSS2_SYS_CONTEXT *sys = NULL;
  char doing[DOING_SIZE];
  TSS2_RC rc = Esys_GetSysContext (tpm_link_esys (link), &sys);

  describe (doing, "lock", index);
  if (rc == TSS2_RC_SUCCESS)
    rc = Tss2_Sys_NV_ReadLock (sys, index, index, &auths, NULL);
  return rc == TSS2_RC_SUCCESS || tpm_link_fail (link, rc, error, doing);
}
