/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-report.h"

#include "base-log.h"

#include <string.h>

IdentityReport *
identity_report_ref (IdentityReport *report)
{
  g_atomic_ref_count_inc (&report->refs);
  return report;
}

void
identity_report_unref (IdentityReport *report)
{
  if (report == NULL || !g_atomic_ref_count_dec (&report->refs))
    return;
  g_free (report->hint);
  g_clear_pointer (&report->key, identity_backend_unref);
  g_clear_pointer (&report->next_key, identity_backend_unref);
  g_clear_pointer (&report->keys, g_ptr_array_unref);
  g_clear_pointer (&report->certificate, identity_cert_unref);
  g_clear_pointer (&report->record, identity_record_free);
  g_free (report->serial);
  g_free (report->marker);
  g_clear_pointer (&report->journal, identity_journal_free);
  g_free (report->operation_detail);
  g_ptr_array_unref (report->problems);
  g_free (report);
}

const char *
identity_report_get_state (const IdentityReport *report)
{
  if (report->mode == IDENTITY_MODE_FAULT)
    return "fault";
  if (report->problems->len > 0 || strcmp (report->reason, "provisioning-failed") == 0)
    return "degraded";
  return report->retry_decision && report->mode == IDENTITY_MODE_UNPROVISIONED ? "waiting" : "ready";
}

void
identity_report_log_new_problems (GPtrArray *before, GPtrArray *now)
{
  for (guint i = 0; i < now->len; i++)
    if (before == NULL || !g_ptr_array_find_with_equal_func (before, now->pdata[i], g_str_equal, NULL))
      base_log (G_LOG_LEVEL_WARNING, BASE_LOG_ID_PROBLEM, NULL, "%s", (const char *) now->pdata[i]);
}
