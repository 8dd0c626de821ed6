/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-facts.h"

#include "tpm-auto.h"

#include <string.h>

/* Where the TPM does not say; the least that the PC Client profile allows. */
#define NV_BUFFER_MAX_DEFAULT 512

typedef void (*TakeProperty) (guint32 property, guint32 value, gpointer user_data);

/* Calls @take for the properties from @first up to the end of their group. */
static TSS2_RC
read_properties (ESYS_CONTEXT *esys, guint32 first, TakeProperty take, gpointer user_data)
{
  guint32 end = first + TPM2_PT_GROUP;
  TPMI_YES_NO more = TPM2_YES;

  while (more == TPM2_YES && first < end)
    {
      g_autoptr (TPMS_CAPABILITY_DATA) data = NULL;
      TSS2_RC rc = Esys_GetCapability (esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_TPM_PROPERTIES, first,
                                       TPM2_MAX_TPM_PROPERTIES, &more, &data);
      if (rc != TSS2_RC_SUCCESS)
        return rc;

      const TPML_TAGGED_TPM_PROPERTY *list = &data->data.tpmProperties;
      for (guint i = 0; i < list->count && i < TPM2_MAX_TPM_PROPERTIES; i++)
        {
          guint32 property = list->tpmProperty[i].property;
          if (property >= end)
            return TSS2_RC_SUCCESS;
          take (property, list->tpmProperty[i].value, user_data);
          /* A TPM that lists backwards must not keep us here. */
          first = MAX (first, property) + 1;
        }
      if (list->count == 0)
        more = TPM2_NO;
    }
  return TSS2_RC_SUCCESS;
}

typedef struct
{
  char manufacturer[5], vendor[17];
  guint32 firmware[2];
  guint revision, nv_buffer_max;
} Fixed;

static void
put_text (char *text, guint32 value)
{
  guint32 big_endian = GUINT32_TO_BE (value);

  memcpy (text, &big_endian, sizeof big_endian);
}

static void
take_fixed (guint32 property, guint32 value, gpointer user_data)
{
  Fixed *fixed = (Fixed *) user_data;

  switch (property)
    {
    case TPM2_PT_MANUFACTURER:
      put_text (fixed->manufacturer, value);
      break;
    case TPM2_PT_VENDOR_STRING_1:
    case TPM2_PT_VENDOR_STRING_2:
    case TPM2_PT_VENDOR_STRING_3:
    case TPM2_PT_VENDOR_STRING_4:
      put_text (fixed->vendor + 4 * (property - TPM2_PT_VENDOR_STRING_1), value);
      break;
    case TPM2_PT_FIRMWARE_VERSION_1:
    case TPM2_PT_FIRMWARE_VERSION_2:
      fixed->firmware[property - TPM2_PT_FIRMWARE_VERSION_1] = value;
      break;
    case TPM2_PT_REVISION:
      fixed->revision = value;
      break;
    case TPM2_PT_NV_BUFFER_MAX:
      fixed->nv_buffer_max = value;
      break;
    default:
      break;
    }
}

/* The TPM's text goes to the bus and the journal: printable ASCII only, without the NULs and blanks that pad it. */
static void
clean_text (const char *from, gsize size, char *to)
{
  gsize length = 0;

  for (gsize i = 0; i < size; i++)
    if (g_ascii_isprint (from[i]))
      to[length++] = from[i];
  to[length] = '\0';
  g_strstrip (to);
}

TSS2_RC
tpm_facts_read_fixed (ESYS_CONTEXT *esys, TpmFacts *facts)
{
  Fixed fixed = { .nv_buffer_max = NV_BUFFER_MAX_DEFAULT };
  TSS2_RC rc = read_properties (esys, TPM2_PT_FIXED, take_fixed, &fixed);

  if (rc != TSS2_RC_SUCCESS)
    return rc;
  clean_text (fixed.manufacturer, sizeof fixed.manufacturer - 1, facts->manufacturer);
  clean_text (fixed.vendor, sizeof fixed.vendor - 1, facts->vendor);
  (void) g_snprintf (facts->firmware, sizeof facts->firmware, "%u.%u.%u.%u", fixed.firmware[0] >> 16, fixed.firmware[0] & 0xffff,
                     fixed.firmware[1] >> 16, fixed.firmware[1] & 0xffff);
  facts->revision = fixed.revision;
  facts->nv_buffer_max = CLAMP (fixed.nv_buffer_max, 1, TPM2_MAX_NV_BUFFER_SIZE);
  return TSS2_RC_SUCCESS;
}

typedef struct
{
  TpmFacts facts;
  gboolean complete;
} Variable;

static void
take_permanent (TpmFacts *facts, TPMA_PERMANENT bits)
{
  facts->owner_auth_set = (bits & TPMA_PERMANENT_OWNERAUTHSET) != 0;
  facts->endorsement_auth_set = (bits & TPMA_PERMANENT_ENDORSEMENTAUTHSET) != 0;
  facts->lockout_auth_set = (bits & TPMA_PERMANENT_LOCKOUTAUTHSET) != 0;
  facts->clear_disabled = (bits & TPMA_PERMANENT_DISABLECLEAR) != 0;
  facts->in_lockout = (bits & TPMA_PERMANENT_INLOCKOUT) != 0;
}

static void
take_startup_clear (TpmFacts *facts, TPMA_STARTUP_CLEAR bits)
{
  facts->platform_enabled = (bits & TPMA_STARTUP_CLEAR_PHENABLE) != 0;
  facts->owner_enabled = (bits & TPMA_STARTUP_CLEAR_SHENABLE) != 0;
  facts->endorsement_enabled = (bits & TPMA_STARTUP_CLEAR_EHENABLE) != 0;
  facts->orderly = (bits & TPMA_STARTUP_CLEAR_ORDERLY) != 0;
}

static void
take_variable (guint32 property, guint32 value, gpointer user_data)
{
  Variable *variable = (Variable *) user_data;

  switch (property)
    {
    case TPM2_PT_PERMANENT:
      take_permanent (&variable->facts, value);
      variable->complete = TRUE;
      break;
    case TPM2_PT_STARTUP_CLEAR:
      take_startup_clear (&variable->facts, value);
      break;
    case TPM2_PT_LOCKOUT_COUNTER:
      variable->facts.lockout_counter = value;
      break;
    case TPM2_PT_MAX_AUTH_FAIL:
      variable->facts.lockout_limit = value;
      break;
    case TPM2_PT_LOCKOUT_INTERVAL:
      variable->facts.lockout_interval_sec = value;
      break;
    case TPM2_PT_LOCKOUT_RECOVERY:
      variable->facts.lockout_recovery_sec = value;
      break;
    default:
      break;
    }
}

TSS2_RC
tpm_facts_read_variable (ESYS_CONTEXT *esys, TpmFacts *facts, gboolean *ret_complete)
{
  Variable variable = { .facts = *facts };
  TSS2_RC rc = read_properties (esys, TPM2_PT_VAR, take_variable, &variable);

  if (rc != TSS2_RC_SUCCESS)
    return rc;
  *facts = variable.facts;
  *ret_complete = variable.complete;
  return TSS2_RC_SUCCESS;
}

static gboolean
is_session (guint32 handle)
{
  return (handle & TPM2_HR_RANGE_MASK) == TPM2_HR_HMAC_SESSION || (handle & TPM2_HR_RANGE_MASK) == TPM2_HR_POLICY_SESSION;
}

/* Sessions of both types share one row of numbers, and come in one list. TPM 2.0 Library Part 3, 30.2. */
static gboolean
belongs_to_list (guint32 handle, guint32 first)
{
  gboolean same_type
      = (handle & TPM2_HR_RANGE_MASK) == (first & TPM2_HR_RANGE_MASK) || (is_session (handle) && is_session (first));

  return same_type && (handle & TPM2_HR_HANDLE_MASK) >= (first & TPM2_HR_HANDLE_MASK);
}

TSS2_RC
tpm_facts_read_handles (ESYS_CONTEXT *esys, guint32 first, guint max, GArray **ret_handles)
{
  g_autoptr (GArray) handles = g_array_new (FALSE, FALSE, sizeof (guint32));
  TPMI_YES_NO more = TPM2_YES;

  while (more == TPM2_YES && handles->len < max)
    {
      g_autoptr (TPMS_CAPABILITY_DATA) data = NULL;
      TSS2_RC rc = Esys_GetCapability (esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, TPM2_CAP_HANDLES, first,
                                       MIN (max - handles->len, TPM2_MAX_CAP_HANDLES), &more, &data);
      if (rc != TSS2_RC_SUCCESS)
        return rc;

      const TPML_HANDLE *list = &data->data.handles;
      if (list->count == 0 || list->count > TPM2_MAX_CAP_HANDLES)
        more = TPM2_NO;
      for (guint i = 0; i < list->count && i < TPM2_MAX_CAP_HANDLES && handles->len < max; i++)
        {
          guint32 handle = list->handle[i];
          if (!belongs_to_list (handle, first))
            {
              more = TPM2_NO;
              break;
            }
          g_array_append_val (handles, handle);
          first = (first & TPM2_HR_RANGE_MASK) | ((handle & TPM2_HR_HANDLE_MASK) + 1);
        }
    }
  *ret_handles = g_steal_pointer (&handles);
  return TSS2_RC_SUCCESS;
}

gboolean
tpm_facts_is_set (const TpmFacts *facts, TpmHierarchy hierarchy)
{
  return (hierarchy == TPM_HIERARCHY_OWNER && facts->owner_auth_set)
         || (hierarchy == TPM_HIERARCHY_ENDORSEMENT && facts->endorsement_auth_set)
         || (hierarchy == TPM_HIERARCHY_LOCKOUT && facts->lockout_auth_set);
}
