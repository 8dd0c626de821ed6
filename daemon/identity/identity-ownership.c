/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-ownership.h"

#include "base-error.h"
#include "base-log.h"
#include "identity-attempts.h"
#include "identity-passwords.h"
#include "tpm-hierarchy.h"
#include "tpm-inventory.h"
#include "tpm-nv.h"

#include <string.h>

/* TCG TPM v2.0 Provisioning Guidance 1.0, 7.6, leaves them to the owner; what a person at a shell mistypes must not lock the device for hours. */
#define LOCKOUT_LIMIT 32
#define LOCKOUT_INTERVAL_SEC 600
#define LOCKOUT_RECOVERY_SEC 3600

/* What is done with the TPM's passwords now: everything that each step needs. */
typedef struct
{
  TpmLink *link;
  const BaseConfig *config;
  const TpmParent *parent; /* (nullable) */
  IdentityOwnership *status;
  IdentityPasswords own;
} Work;

static void
work_clear (Work *work)
{
  identity_passwords_clear (&work->own);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Work, work_clear)

const char *
identity_ownership_state_name (IdentityOwnershipState state)
{
  static const char *const names[] = {
    [IDENTITY_OWNERSHIP_UNKNOWN] = "unknown", [IDENTITY_OWNERSHIP_NONE] = "none",       [IDENTITY_OWNERSHIP_PARTIAL] = "partial",
    [IDENTITY_OWNERSHIP_OWNED] = "owned",     [IDENTITY_OWNERSHIP_FOREIGN] = "foreign",
  };

  g_assert ((guint) state < G_N_ELEMENTS (names));
  return names[state];
}

const char *
identity_password_kind_name (IdentityPasswordKind kind)
{
  static const char *const names[] = {
    [IDENTITY_PASSWORD_UNKNOWN] = "unknown",   [IDENTITY_PASSWORD_EMPTY] = "empty",     [IDENTITY_PASSWORD_OWN] = "own",
    [IDENTITY_PASSWORD_SUPPLIED] = "supplied", [IDENTITY_PASSWORD_FOREIGN] = "foreign",
  };

  g_assert ((guint) kind < G_N_ELEMENTS (names));
  return names[kind];
}

const char *
identity_platform_name (IdentityPlatform platform)
{
  static const char *const names[] = {
    [IDENTITY_PLATFORM_UNKNOWN] = "unknown",
    [IDENTITY_PLATFORM_OPEN] = "open",
    [IDENTITY_PLATFORM_CLOSED] = "closed",
  };

  g_assert ((guint) platform < G_N_ELEMENTS (names));
  return names[platform];
}

static void G_GNUC_PRINTF (2, 3)
set_detail (IdentityOwnership *status, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  (void) g_vsnprintf (status->detail, sizeof status->detail, format, args);
  va_end (args);
}

static void
log_problem (const char *what, const GError *error)
{
  base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL, "ownership: %s: %s", what, error->message);
}

static TpmFacts
get_facts (TpmLink *link)
{
  TpmLinkStatus status;

  tpm_link_get_status (link, &status);
  return status.facts;
}

static gboolean
is_ready (TpmLink *link)
{
  TpmLinkStatus status;

  if (link == NULL)
    return FALSE;
  tpm_link_get_status (link, &status);
  return status.state == TPM_STATE_READY;
}

/* Which passwords are ours. */

static gboolean
is_any_set (const TpmFacts *facts)
{
  return facts->owner_auth_set || facts->lockout_auth_set;
}

static void
load_disk (Work *work)
{
  g_autoptr (GError) error = NULL;

  identity_passwords_clear (&work->own);
  if (!identity_passwords_load (work->config->state_path, &work->own, &error))
    log_problem ("the passwords on disk", error);
}

static void
forget_own (Work *work)
{
  identity_passwords_clear (&work->own);
  work->status->is_disk_current = FALSE;
}

/* A wrong one of lockout locks it. */
static void
distrust_all (Work *work)
{
  forget_own (work);
  tpm_link_set_password (work->link, TPM_HIERARCHY_OWNER, NULL);
  tpm_link_set_password (work->link, TPM_HIERARCHY_LOCKOUT, NULL);
}

/* The passwords that the TPM has, which are not on disk. */
static void
adopt (Work *work, const TpmFacts *facts, IdentityPasswords *found)
{
  g_autoptr (GError) error = NULL;

  found->state = facts->owner_auth_set && facts->lockout_auth_set ? IDENTITY_PASSWORDS_OWNED : IDENTITY_PASSWORDS_TAKING;
  identity_passwords_clear (&work->own);
  work->own = *found;
  *found = (IdentityPasswords){ IDENTITY_PASSWORDS_NONE, NULL, NULL };
  work->status->is_disk_current = identity_passwords_save (work->config->state_path, &work->own, &error);
  if (work->status->is_disk_current)
    base_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, "ownership: the passwords of the TPM were not on disk; they were found, and are again");
  else
    log_problem ("the passwords of the TPM were found, but not on disk", error);
}

static gboolean
tells (const TpmNvTag *tag, const IdentityPasswords *passwords)
{
  g_autoptr (BaseSecret) content = NULL;

  if (passwords->state == IDENTITY_PASSWORDS_NONE)
    return FALSE;
  content = identity_passwords_to_nv (passwords);
  return tpm_nv_tag_tells (tag, content);
}

/* Nothing is tried with passwords that are known to be others. */
static void
wait_for_restart (Work *work)
{
  guint32 index = work->config->password_index;

  if (work->own.state == IDENTITY_PASSWORDS_NONE)
    set_detail (work->status,
                "the passwords of the TPM are not on disk, and those in NV index 0x%08x cannot be read before the TPM starts again; restart "
                "the device (reboot)",
                index);
  else
    set_detail (work->status,
                "%s/ownership holds other passwords than the TPM has (out of a backup?), and the right ones in NV index 0x%08x cannot be read before "
                "the TPM starts again; restart the device (reboot)",
                work->config->state_path, index);
  distrust_all (work);
}

static gboolean
read_copy (const Work *work, IdentityPasswords *ret_found, GError **error)
{
  g_autoptr (BaseSecret) content = NULL;

  if (!tpm_nv_read_secret (work->link, work->config->password_index, NULL, &content, error))
    return FALSE;
  if (identity_passwords_from_nv (content, ret_found))
    return TRUE;
  g_set_error (error, TPMID_ERROR, TPMID_ERROR_CORRUPT, "NV index 0x%08x does not hold the passwords of the TPM", work->config->password_index);
  return FALSE;
}

/* The copy in the TPM was written before the passwords were set, so it counts. */
static void
find_by_copy (Work *work, const TpmFacts *facts, const TpmNvTag *tag)
{
  g_auto (IdentityPasswords) found = { IDENTITY_PASSWORDS_NONE, NULL, NULL };
  g_autoptr (GError) error = NULL;

  if (tells (tag, &work->own))
    return;
  if (identity_passwords_join (tpm_link_peek_password (work->link, TPM_HIERARCHY_OWNER),
                               tpm_link_peek_password (work->link, TPM_HIERARCHY_LOCKOUT), &found)
      && tells (tag, &found))
    adopt (work, facts, &found);
  else if (tag->is_locked)
    wait_for_restart (work);
  else
    {
      identity_passwords_clear (&found);
      if (read_copy (work, &found, &error))
        {
          adopt (work, facts, &found);
          return;
        }
      log_problem ("the copy in the TPM", error);
      set_detail (work->status, "the copy of the passwords in the TPM: %s", error->message);
      distrust_all (work);
    }
}

static void
describe_refused (const Work *work, TpmHierarchy hierarchy)
{
  const char *name = tpm_hierarchy_name (hierarchy);

  if (work->status->detail[0] == '\0')
    set_detail (work->status,
                "the TPM refuses the password of the %s hierarchy that is in %s/ownership%s; restart the device (reboot); if that does not help, the "
                "password was changed: supply it as credential tpmidd.%s-auth, or clear the TPM in the firmware's setup",
                name, work->config->state_path, work->status->has_copy ? " and in its NV index" : ", and its NV index has no copy", name);
}

static void
describe_unproven (const Work *work)
{
  if (work->status->detail[0] == '\0')
    set_detail (work->status,
                "nothing proves that the lockout password of the TPM is that of %s/ownership, as NV index 0x%08x has no copy of it, and a wrong one "
                "would lock it; supply it as credential tpmidd.lockout-auth, or clear the TPM in the firmware's setup",
                work->config->state_path, work->config->password_index);
}

/* Not one that the TPM refused in this boot; the link says so of one that it refused since it was made. */
static gboolean
hand_over (const Work *work, TpmHierarchy hierarchy, BaseSecret *password)
{
  const char *name = tpm_hierarchy_name (hierarchy);

  if (identity_attempts_has (work->config, name, password))
    return FALSE;
  tpm_link_set_password (work->link, hierarchy, password);
  if (tpm_link_has_password (work->link, hierarchy))
    return TRUE;
  identity_attempts_add (work->config, name, password);
  return FALSE;
}

/* Costs nothing but for the lockout hierarchy, which a wrong one locks. */
static gboolean
is_right (const Work *work, TpmHierarchy hierarchy, BaseSecret *password)
{
  g_autoptr (GError) error = NULL;

  if (!hand_over (work, hierarchy, password) || !is_ready (work->link))
    return FALSE;
  if (tpm_hierarchy_try_password (work->link, hierarchy, &error))
    return TRUE;
  if (tpm_link_is_password_wrong (work->link, hierarchy))
    identity_attempts_add (work->config, tpm_hierarchy_name (hierarchy), password);
  else
    log_problem ("a password could not be tried", error);
  return FALSE;
}

/* No copy in the TPM tells. The owner's password is tried, and what was set with it is right where it is. */
static void
find_by_owner (Work *work, const TpmFacts *facts)
{
  g_auto (IdentityPasswords) found = { IDENTITY_PASSWORDS_NONE, NULL, NULL };

  if (work->own.state == IDENTITY_PASSWORDS_NONE
      && identity_passwords_join (tpm_link_peek_password (work->link, TPM_HIERARCHY_OWNER),
                                  tpm_link_peek_password (work->link, TPM_HIERARCHY_LOCKOUT), &found))
    adopt (work, facts, &found);
  if (work->own.state == IDENTITY_PASSWORDS_NONE || (facts->owner_auth_set && is_right (work, TPM_HIERARCHY_OWNER, work->own.owner)))
    return;
  if (facts->owner_auth_set)
    describe_refused (work, TPM_HIERARCHY_OWNER);
  else
    describe_unproven (work);
  forget_own (work);
  tpm_link_set_password (work->link, TPM_HIERARCHY_LOCKOUT, NULL);
}

static gboolean
look_at_copy (const Work *work, TpmNvTag *ret_tag)
{
  g_autoptr (GError) error = NULL;

  if (tpm_nv_read_tag (work->link, work->config->password_index, ret_tag, &error))
    return ret_tag->kind == TPM_NV_PASSWORDS && ret_tag->is_written;
  if (!g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND))
    log_problem ("the copy in the TPM", error);
  return FALSE;
}

/* Afterwards only what is right is in @work, or nothing; where no password is set, what is on disk. */
static void
find_own (Work *work)
{
  const TpmFacts facts = get_facts (work->link);
  IdentityOwnership *status = work->status;
  TpmNvTag tag;

  load_disk (work);
  status->is_disk_current = work->own.state != IDENTITY_PASSWORDS_NONE;
  status->has_copy = FALSE;
  if (!is_any_set (&facts))
    return;
  status->has_copy = look_at_copy (work, &tag);
  if (status->has_copy)
    find_by_copy (work, &facts, &tag);
  else if (is_ready (work->link))
    find_by_owner (work, &facts);
  else
    forget_own (work);
}

/* What was found before, by the same status; no command. */
static void
load_found (Work *work)
{
  const TpmFacts facts = get_facts (work->link);

  load_disk (work);
  if (is_any_set (&facts) && !work->status->is_disk_current)
    forget_own (work);
}

/* Who has each of them. */

static gboolean
hand_over_supplied (const Work *work, TpmHierarchy hierarchy, BaseSecret *password)
{
  gboolean had = tpm_link_has_password (work->link, hierarchy);

  if (had || hierarchy == TPM_HIERARCHY_LOCKOUT)
    return hand_over (work, hierarchy, password);
  return is_right (work, hierarchy, password)
         || (tpm_link_has_password (work->link, hierarchy) && !tpm_link_is_password_wrong (work->link, hierarchy));
}

static IdentityPasswordKind
judge (const Work *work, const TpmFacts *facts, TpmHierarchy hierarchy, BaseSecret *own)
{
  if (!tpm_hierarchy_is_set (facts, hierarchy))
    {
      tpm_link_set_password (work->link, hierarchy, NULL);
      return IDENTITY_PASSWORD_EMPTY;
    }
  if (own != NULL && hand_over (work, hierarchy, own))
    return IDENTITY_PASSWORD_OWN;
  g_autoptr (BaseSecret) supplied = identity_passwords_read_supplied (work->config, hierarchy);
  if (supplied != NULL && hand_over_supplied (work, hierarchy, supplied))
    return IDENTITY_PASSWORD_SUPPLIED;
  if (own != NULL)
    describe_refused (work, hierarchy);
  /* Out of the TPM, by a disk that could not be written. */
  return tpm_link_has_password (work->link, hierarchy) ? IDENTITY_PASSWORD_OWN : IDENTITY_PASSWORD_FOREIGN;
}

static IdentityOwnershipState
conclude (const IdentityOwnership *status, IdentityPasswordsState recorded)
{
  gboolean both = status->owner == IDENTITY_PASSWORD_OWN && status->lockout == IDENTITY_PASSWORD_OWN;

  if (both)
    return recorded == IDENTITY_PASSWORDS_OWNED || recorded == IDENTITY_PASSWORDS_NONE ? IDENTITY_OWNERSHIP_OWNED : IDENTITY_OWNERSHIP_PARTIAL;
  if (status->owner > IDENTITY_PASSWORD_OWN || status->lockout > IDENTITY_PASSWORD_OWN || status->endorsement > IDENTITY_PASSWORD_OWN)
    return IDENTITY_OWNERSHIP_FOREIGN;
  if (status->owner == IDENTITY_PASSWORD_OWN || status->lockout == IDENTITY_PASSWORD_OWN)
    return IDENTITY_OWNERSHIP_PARTIAL;
  return IDENTITY_OWNERSHIP_NONE;
}

static void
describe_foreign (IdentityOwnership *status, TpmHierarchy hierarchy)
{
  const char *name = tpm_hierarchy_name (hierarchy);

  set_detail (status,
              "somebody else set a password on the %s hierarchy of the TPM; make it empty (tpm2_changeauth -c %s -p PASSWORD), supply it as credential "
              "tpmidd.%s-auth and restart tpmidd, or clear the TPM in the firmware's setup",
              name, name, name);
}

static void
describe (IdentityOwnership *status)
{
  if (status->detail[0] != '\0')
    return;
  if (status->owner == IDENTITY_PASSWORD_FOREIGN)
    describe_foreign (status, TPM_HIERARCHY_OWNER);
  else if (status->lockout == IDENTITY_PASSWORD_FOREIGN)
    describe_foreign (status, TPM_HIERARCHY_LOCKOUT);
  else if (status->endorsement == IDENTITY_PASSWORD_FOREIGN)
    describe_foreign (status, TPM_HIERARCHY_ENDORSEMENT);
  else if (status->state == IDENTITY_OWNERSHIP_FOREIGN)
    set_detail (status, "somebody else owns the TPM, and supplied the passwords");
  else if (status->state == IDENTITY_OWNERSHIP_PARTIAL)
    set_detail (status, "not all passwords of the TPM are set; a restart of tpmidd under Ownership=exclusive goes on with what was begun, and "
                        "tpmidctl release-ownership makes all of them empty");
  else if (status->state == IDENTITY_OWNERSHIP_NONE && status->is_exclusive)
    set_detail (status, "no password of the TPM is set; a factory reset takes ownership");
}

static void
assess (Work *work)
{
  const TpmFacts facts = get_facts (work->link);
  IdentityOwnership *status = work->status;

  status->owner = judge (work, &facts, TPM_HIERARCHY_OWNER, work->own.owner);
  status->lockout = judge (work, &facts, TPM_HIERARCHY_LOCKOUT, work->own.lockout);
  status->endorsement = judge (work, &facts, TPM_HIERARCHY_ENDORSEMENT, NULL);
  status->state = conclude (status, work->own.state);
  describe (status);
}

void
identity_ownership_prepare (TpmLink *link, const BaseConfig *config, IdentityOwnership *ret_status)
{
  g_auto (Work) work = { .link = link, .config = config, .status = ret_status };

  *ret_status = (IdentityOwnership){ .is_exclusive = config->ownership == BASE_OWNERSHIP_EXCLUSIVE };
  if (!is_ready (link))
    return;
  find_own (&work);
  assess (&work);
}

/* After something was done: what is in the way, if anything, is in @status already. */
static void
assess_again (Work *work)
{
  if (is_ready (work->link))
    assess (work);
}

/* Taking. */

static gboolean
is_ours (const TpmObject *object, const BaseConfig *config, const TpmParent *parent)
{
  if (object->kind == TPM_OBJECT_NV)
    return object->platform_created || object->handle == config->serial_index || object->nv_kind != TPM_NV_OTHER;
  if (object->kind != TPM_OBJECT_PERSISTENT || (object->is_hierarchy_known && object->hierarchy == TPM_HIERARCHY_PLATFORM))
    return TRUE;
  if (object->handle == parent->handle && object->is_storage_root)
    return !parent->is_pinned
           || (object->name_size == TPM_NAME_SIZE && memcmp (object->name, parent->name, TPM_NAME_SIZE) == 0);
  /* Keys with a tag carry it wherever they are. */
  return object->purpose == TPM_PURPOSE_DEVICE || object->purpose == TPM_PURPOSE_CREDENTIALS;
}

static void
describe_object (IdentityOwnership *status, const TpmObject *object)
{
  const char *kind = object->kind == TPM_OBJECT_NV ? "NV index" : "persistent object";
  const char *remedy = object->kind == TPM_OBJECT_NV ? "tpm2_nvundefine" : "tpm2_evictcontrol -c";

  set_detail (status,
              "somebody else uses the TPM: %s 0x%08x is not of tpmidd's making; a factory reset that clears the TPM removes it and takes ownership, or "
              "remove it (%s 0x%08x) before the first boot",
              kind, object->handle, remedy, object->handle);
}

static gboolean
look_for_others (const Work *work, gboolean *ret_found, GError **error)
{
  const TpmParent unpinned = { .handle = work->config->parent_handle };
  const TpmParent *parent = work->parent != NULL ? work->parent : &unpinned;
  g_autoptr (GArray) objects = NULL;

  if (!tpm_inventory_list (work->link, &objects, error))
    return FALSE;
  *ret_found = FALSE;
  for (guint i = 0; i < objects->len && !*ret_found; i++)
    {
      const TpmObject *object = &g_array_index (objects, TpmObject, i);

      *ret_found = !is_ours (object, work->config, parent);
      if (*ret_found)
        describe_object (work->status, object);
    }
  return TRUE;
}

static gboolean
store_copy (const Work *work, GError **error)
{
  g_autoptr (BaseSecret) content = identity_passwords_to_nv (&work->own);
  const TpmNvStore what = { .kind = TPM_NV_PASSWORDS, .secret = content, .lock_until_restart = TRUE };

  work->status->has_copy = tpm_nv_store (work->link, work->config->password_index, &what, work->parent, error);
  return work->status->has_copy;
}

static gboolean
set_password (const Work *work, TpmHierarchy hierarchy, BaseSecret *password, GError **error)
{
  const TpmFacts facts = get_facts (work->link);

  return tpm_hierarchy_is_set (&facts, hierarchy)
         || tpm_hierarchy_change_password (work->link, hierarchy, work->parent, password, error);
}

static gboolean
set_parameters (const Work *work, GError **error)
{
  const TpmFacts facts = get_facts (work->link);

  if (facts.lockout_limit == LOCKOUT_LIMIT && facts.lockout_interval_sec == LOCKOUT_INTERVAL_SEC
      && facts.lockout_recovery_sec == LOCKOUT_RECOVERY_SEC)
    return TRUE;
  return tpm_hierarchy_set_lockout_parameters (work->link, LOCKOUT_LIMIT, LOCKOUT_INTERVAL_SEC, LOCKOUT_RECOVERY_SEC, error);
}

static gboolean
record (Work *work, IdentityPasswordsState state, GError **error)
{
  work->own.state = state;
  work->status->is_disk_current = identity_passwords_save (work->config->state_path, &work->own, error);
  return work->status->is_disk_current;
}

/* What a password was refused for is not gone on with by itself: each boot would spend another try. */
static void
stop_where_refused (Work *work)
{
  g_autoptr (GError) error = NULL;

  if (work->own.state == IDENTITY_PASSWORDS_NONE
      || (!tpm_link_is_password_wrong (work->link, TPM_HIERARCHY_OWNER) && !tpm_link_is_password_wrong (work->link, TPM_HIERARCHY_LOCKOUT)))
    return;
  if (!record (work, IDENTITY_PASSWORDS_OWNED, &error))
    log_problem ("the passwords on disk", error);
}

static gboolean
remove_copy (const Work *work, GError **error)
{
  g_autoptr (GError) cause = NULL;

  /* Somebody else's in its place is none of ours. */
  if (tpm_nv_undefine_store (work->link, work->config->password_index, TPM_NV_PASSWORDS, &cause)
      || g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_NOT_FOUND) || g_error_matches (cause, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&cause));
  return FALSE;
}

/* No password is set any more, or yet. */
static gboolean
remove_passwords (Work *work, GError **error)
{
  if (!remove_copy (work, error) || !identity_passwords_remove (work->config->state_path, error))
    return FALSE;
  work->status->has_copy = FALSE;
  forget_own (work);
  return TRUE;
}

/* No passwords without the copy that outlasts the disk. Nothing was set yet. */
static gboolean
give_up (Work *work, const GError *cause, GError **error)
{
  set_detail (work->status, "no place in the TPM for a copy of its passwords, so none was set: %s", cause->message);
  forget_own (work);
  return identity_passwords_remove (work->config->state_path, error);
}

static gboolean
is_hopeless (const GError *error)
{
  return g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NV_FULL) || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_HANDLE_TAKEN)
         || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_INVALID_ARGUMENT);
}

/* The passwords are on disk. */
static gboolean
set_all (Work *work, GError **error)
{
  g_autoptr (GError) cause = NULL;
  const TpmFacts facts = get_facts (work->link);

  if (!store_copy (work, &cause))
    {
      if (is_hopeless (cause) && !is_any_set (&facts))
        return give_up (work, cause, error);
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  if (!set_password (work, TPM_HIERARCHY_LOCKOUT, work->own.lockout, error) || !set_password (work, TPM_HIERARCHY_OWNER, work->own.owner, error)
      || !set_parameters (work, error) || !record (work, IDENTITY_PASSWORDS_OWNED, error))
    return FALSE;
  work->status->detail[0] = '\0';
  base_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, "ownership: the TPM has passwords of ours for owner and lockout");
  return TRUE;
}

/* No password is set. @ret_begun: passwords to set are on disk. */
static gboolean
begin (Work *work, gboolean *ret_begun, GError **error)
{
  gboolean others;

  *ret_begun = FALSE;
  if (!look_for_others (work, &others, error))
    return FALSE;
  if (others)
    return work->own.state != IDENTITY_PASSWORDS_TAKING || remove_passwords (work, error);
  if (work->own.state != IDENTITY_PASSWORDS_TAKING)
    {
      identity_passwords_clear (&work->own);
      if (!identity_passwords_generate (&work->own, error) || !record (work, IDENTITY_PASSWORDS_TAKING, error))
        return FALSE;
    }
  *ret_begun = TRUE;
  return TRUE;
}

static gboolean
take (Work *work, GError **error)
{
  const TpmFacts facts = get_facts (work->link);
  gboolean go_on = work->own.state == IDENTITY_PASSWORDS_TAKING;

  /* A file that says that the TPM is owned, and it has no password: it was cleared since. */
  if (!is_any_set (&facts))
    return begin (work, &go_on, error) && (!go_on || set_all (work, error));
  if (work->own.state == IDENTITY_PASSWORDS_RELEASING)
    {
      go_on = TRUE;
      if (!record (work, IDENTITY_PASSWORDS_TAKING, error))
        return FALSE;
    }
  return !go_on || set_all (work, error);
}

gboolean
identity_ownership_take (TpmLink *link, const BaseConfig *config, const TpmParent *parent, IdentityOwnership *status, GError **error)
{
  g_auto (Work) work = { .link = link, .config = config, .parent = parent, .status = status };

  if (!status->is_exclusive || status->state == IDENTITY_OWNERSHIP_OWNED || !is_ready (link))
    return TRUE;
  /* What the TPM says now, not what it said when the link was opened. */
  if (!tpm_link_refresh_facts (link, error))
    return FALSE;
  status->detail[0] = '\0';
  find_own (&work);
  if (!tpm_link_ensure (link, error))
    return FALSE;
  assess (&work);
  if (status->state != IDENTITY_OWNERSHIP_NONE && status->state != IDENTITY_OWNERSHIP_PARTIAL)
    return TRUE;
  status->detail[0] = '\0';
  gboolean taken = take (&work, error);
  assess_again (&work);
  return taken;
}

/* Releasing. */

static gboolean
empty (const Work *work, TpmHierarchy hierarchy, IdentityPasswordKind kind, GError **error)
{
  return kind != IDENTITY_PASSWORD_OWN || tpm_hierarchy_change_password (work->link, hierarchy, NULL, NULL, error);
}

static gboolean
is_releasable (const IdentityOwnership *status)
{
  return (status->owner == IDENTITY_PASSWORD_OWN || status->owner == IDENTITY_PASSWORD_EMPTY)
         && (status->lockout == IDENTITY_PASSWORD_OWN || status->lockout == IDENTITY_PASSWORD_EMPTY);
}

static gboolean
fail_release (const Work *work, GError **error)
{
  const char *detail = work->status->detail;

  g_set_error (error, TPMID_ERROR, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED,
               "not every password of the TPM is one that tpmidd set and has, so none was made empty (owner: %s, lockout: %s)%s%s",
               identity_password_kind_name (work->status->owner), identity_password_kind_name (work->status->lockout), detail[0] != '\0' ? ": " : "",
               detail);
  return FALSE;
}

/* The owner's first: it tells at no cost whether the passwords are right, before that of lockout is tried. */
static gboolean
empty_both (Work *work, GError **error)
{
  if (work->own.state != IDENTITY_PASSWORDS_NONE && work->own.state != IDENTITY_PASSWORDS_RELEASING
      && !record (work, IDENTITY_PASSWORDS_RELEASING, error))
    return FALSE;
  if (empty (work, TPM_HIERARCHY_OWNER, work->status->owner, error) && empty (work, TPM_HIERARCHY_LOCKOUT, work->status->lockout, error))
    return TRUE;
  stop_where_refused (work);
  return FALSE;
}

static gboolean
release (Work *work, GError **error)
{
  if (!is_releasable (work->status))
    return fail_release (work, error);
  if (!empty_both (work, error) || !tpm_link_refresh_facts (work->link, error))
    return FALSE;
  /* File and copy stay as long as they may be needed. */
  const TpmFacts facts = get_facts (work->link);
  if (is_any_set (&facts))
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_HIERARCHY_AUTH_REQUIRED,
                   "somebody set a password of the TPM while tpmidd made them empty; look who else uses the TPM, and try again");
      return FALSE;
    }
  if (!remove_passwords (work, error))
    return FALSE;
  work->status->detail[0] = '\0';
  base_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, "ownership: the passwords of the TPM are empty again");
  return TRUE;
}

gboolean
identity_ownership_release (TpmLink *link, const BaseConfig *config, IdentityOwnership *status, GError **error)
{
  g_auto (Work) work = { .link = link, .config = config, .status = status };

  if (!tpm_link_ensure (link, error) || !tpm_link_refresh_facts (link, error))
    return FALSE;
  const TpmFacts facts = get_facts (link);
  status->detail[0] = '\0';
  find_own (&work);
  if (!tpm_link_ensure (link, error))
    return FALSE;
  assess (&work);
  if (!is_any_set (&facts) && work.own.state != IDENTITY_PASSWORDS_RELEASING)
    return TRUE;
  gboolean released = release (&work, error);
  assess_again (&work);
  return released;
}

/* The end of each boot. */

static gboolean
may_go_on_taking (const Work *work)
{
  return work->own.state == IDENTITY_PASSWORDS_TAKING && work->status->is_exclusive
         && (work->status->state == IDENTITY_OWNERSHIP_PARTIAL || work->status->state == IDENTITY_OWNERSHIP_NONE);
}

static void
go_on (Work *work, gboolean may_take)
{
  g_autoptr (GError) error = NULL;
  gboolean done = TRUE;

  if (work->own.state == IDENTITY_PASSWORDS_RELEASING)
    done = release (work, &error);
  else if (may_take && may_go_on_taking (work))
    {
      work->status->detail[0] = '\0';
      done = take (work, &error);
    }
  else
    return;
  if (!done)
    {
      stop_where_refused (work);
      set_detail (work->status, "%s", error->message);
      log_problem ("what was begun is not done", error);
    }
  assess_again (work);
}

static gboolean
has_own (const IdentityOwnership *status)
{
  return status->owner == IDENTITY_PASSWORD_OWN || status->lockout == IDENTITY_PASSWORD_OWN;
}

static void
lock_copy (const Work *work)
{
  guint32 index = work->config->password_index;
  g_autoptr (GError) error = NULL;

  /* Somebody else's in its place is not to be locked. */
  if (!has_own (work->status) || (work->status->has_copy && tpm_nv_lock_reading (work->link, index, &error)))
    return;
  /* Somebody removed it; the disk still has what it held. */
  if ((error == NULL || g_error_matches (error, TPMID_ERROR, TPMID_ERROR_NOT_FOUND)) && work->own.state != IDENTITY_PASSWORDS_NONE)
    {
      g_clear_error (&error);
      if (store_copy (work, &error) && tpm_nv_lock_reading (work->link, index, &error))
        return;
    }
  if (error == NULL)
    return;
  log_problem ("the copy of the passwords in the TPM", error);
  set_detail (work->status, "the copy of the passwords in the TPM: %s", error->message);
}

/* With passwords of another life of the TPM, its new owner's lockout would be locked: the owner's tells at no cost. */
static void
reset_counter (const Work *work)
{
  const TpmFacts facts = get_facts (work->link);
  g_autoptr (GError) error = NULL;

  if (facts.lockout_counter == 0 || facts.orderly || work->status->owner != IDENTITY_PASSWORD_OWN || work->status->lockout != IDENTITY_PASSWORD_OWN
      || identity_attempts_has (work->config, "lockout-reset", NULL))
    return;
  identity_attempts_add (work->config, "lockout-reset", NULL);
  if (!tpm_hierarchy_try_password (work->link, TPM_HIERARCHY_OWNER, &error) || !tpm_hierarchy_reset_lockout (work->link, &error))
    {
      log_problem ("the dictionary-attack counter", error);
      return;
    }
  base_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, "ownership: the TPM was not shut down orderly, and its dictionary-attack counter was %u; it is 0 again",
            facts.lockout_counter);
}

static void
close_platform (const Work *work)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BaseSecret) password = NULL;
  gboolean was_open;

  if (!work->status->is_exclusive)
    return;
  password = identity_passwords_generate_one (&error);
  if (password == NULL || !tpm_hierarchy_close_platform (work->link, password, &was_open, &error))
    {
      log_problem ("the platform hierarchy", error);
      return;
    }
  work->status->platform = IDENTITY_PLATFORM_CLOSED;
}

void
identity_ownership_settle (TpmLink *link, const BaseConfig *config, gboolean may_take, IdentityOwnership *status)
{
  static void (*const steps[]) (const Work *work) = { lock_copy, reset_counter, close_platform };
  g_auto (Work) work = { .link = link, .config = config, .status = status };

  if (!is_ready (link))
    return;
  load_found (&work);
  go_on (&work, may_take);
  for (gsize i = 0; i < G_N_ELEMENTS (steps) && is_ready (link); i++)
    steps[i](&work);
  /* What was refused on the way must be known before tpmidd starts again. */
  assess_again (&work);
}

gboolean
identity_ownership_forget (TpmLink *link, const BaseConfig *config, GError **error)
{
  if (link != NULL)
    {
      tpm_link_set_password (link, TPM_HIERARCHY_OWNER, NULL);
      tpm_link_set_password (link, TPM_HIERARCHY_LOCKOUT, NULL);
      tpm_link_set_password (link, TPM_HIERARCHY_ENDORSEMENT, NULL);
    }
  return identity_passwords_remove (config->state_path, error);
}
