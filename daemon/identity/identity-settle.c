/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-settle.h"

#include "base-file.h"
#include "identity-marker.h"
#include "identity-remount.h"

#include <string.h>

typedef gboolean (*SettleStep) (const IdentityReport *report, const BaseConfig *config, GError **error);

static gboolean
settle_stored_copy (const IdentityReport *report, const BaseConfig *config, GError **error)
{
  return identity_store_save_certificate (config->state_path, identity_cert_peek_pem (report->certificate), error);
}

static gboolean
settle_certificate (const IdentityReport *report, const BaseConfig *config, GError **error)
{
  const char *pem = identity_cert_peek_pem (report->certificate);

  return base_file_replace (config->certificate_path, pem, strlen (pem), 0644, error);
}

static gboolean
settle_record (const IdentityReport *report, const BaseConfig *config, GError **error)
{
  return identity_store_save (config->state_path, report->record, error);
}

static gboolean
settle_archive (const IdentityReport *report, const BaseConfig *config, GError **error)
{
  g_autoptr (IdentityRecord) record = identity_record_copy (report->record);

  if (g_file_test (config->software_key_path, G_FILE_TEST_EXISTS)
      && !base_file_set_aside (config->software_key_path, "archived", error))
    return FALSE;
  record->archive_software_key = FALSE;
  return identity_store_save (config->state_path, record, error);
}

static gboolean
settle_marker (const IdentityReport *report, const BaseConfig *config, GError **error)
{
  switch (report->marker_action)
    {
    case IDENTITY_MARKER_WRITE:
      return identity_marker_put (config->marker_path, report->marker, error);
    case IDENTITY_MARKER_REMOVE:
      return base_file_remove (config->marker_path, error);
    case IDENTITY_MARKER_KEEP:
      return TRUE;
    }
  g_return_val_if_reached (FALSE);
}

static gboolean
settle_mode_file (const IdentityReport *report, const BaseConfig *config, GError **error)
{
  g_autofree char *path = g_build_filename (config->runtime_path, "mode", NULL);

  return identity_marker_put (path, report->marker, error);
}

/* In this order: a crash after any of them leaves a state that the next boot finds its way from. The record comes first, as
 * with it a TPM that is missing is a fault; then the certificate's copy, so that a certificate that others may have seen
 * already is not replaced by a fresh one. @after are the steps that must be done before. */
static const struct
{
  guint flag;
  guint after;
  const char *name;
  SettleStep run;
} steps[] = {
  { IDENTITY_PENDING_RECORD, 0, "state", settle_record },
  { IDENTITY_PENDING_STORED_COPY, 0, "state", settle_stored_copy },
  { IDENTITY_PENDING_CERTIFICATE, 0, "certificate", settle_certificate },
  { IDENTITY_PENDING_ARCHIVE, IDENTITY_PENDING_RECORD | IDENTITY_PENDING_CERTIFICATE, "software key", settle_archive },
  { IDENTITY_PENDING_MARKER, 0, "marker", settle_marker },
  { IDENTITY_PENDING_MODE_FILE, 0, "mode file", settle_mode_file },
};

static void
explain (GPtrArray *problems, const BaseConfig *config)
{
  g_autofree char *mount_point = identity_remount_find (config);

  if (mount_point != NULL)
    g_ptr_array_add (problems, g_strdup_printf ("mount: %s is read-only for tpmidd alone; restart tpmidd, and if that does not help: it was made "
                                                "read-only on purpose, or ReadWritePaths= of the unit lacks it",
                                                mount_point));
}

guint
identity_settle (const IdentityReport *report, const BaseConfig *config, guint pending, GPtrArray **ret_problems)
{
  g_autoptr (GPtrArray) problems = g_ptr_array_new_with_free_func (g_free);
  guint left = 0;

  pending |= IDENTITY_PENDING_MARKER | IDENTITY_PENDING_MODE_FILE;
  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_autoptr (GError) error = NULL;
      if ((pending & steps[i].flag) == 0)
        continue;
      gboolean has_to_wait = (left & steps[i].after) != 0;
      if (!has_to_wait && steps[i].run (report, config, &error))
        continue;
      left |= steps[i].flag;
      if (!has_to_wait)
        g_ptr_array_add (problems, g_strdup_printf ("%s: %s", steps[i].name, error->message));
    }
  if (left != 0)
    explain (problems, config);
  *ret_problems = g_steal_pointer (&problems);
  return left;
}
