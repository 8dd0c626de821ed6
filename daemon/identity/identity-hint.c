/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-hint.h"

#include <string.h>

/* What a person should know and do, by reason; %s is why the TPM, or the software key, cannot be used. */
static const struct
{
  const char *reason, *hint;
} hints[] = {
  { "recovered", "The records were gone; the identity was found in the TPM and is the same." },
  { "waiting-for-tpm", "Tpm=required, and there is no TPM: %s. tpmidd goes on as soon as it appears." },
  { "tpm-missing", "This device has an identity in a TPM, and the TPM is not there: %s. Nothing was created or overwritten; tpmidd "
                   "goes on when the TPM returns." },
  { "tpm-changed", "The TPM is another one, or was cleared: the recorded identity cannot be in it. Nothing was overwritten. If the "
                   "TPM was replaced on purpose: tpmidctl reprovision archives what belongs to the old one; the device gets a new "
                   "identity and needs a new enrolment." },
  { "tpm-unusable", "The TPM cannot be used: %s. Nothing was created; tpmidd goes on when the cause is gone." },
  { "downgrade-refused", "A software key and its certificate lie in the place of the TPM's identity. They were not used. "
                         "tpmidctl reprovision archives them, and the device returns to the TPM's identity." },
  { "certificate-mismatch", "The device certificate belongs to none of the device's keys. It was not overwritten. Put the "
                            "right one back and restart tpmidd; or tpmidctl reprovision archives it, and one is made for the key that is there." },
  { "key-missing", "The identity key is gone from the TPM, but its certificate is still there. Nothing was overwritten. "
                   "tpmidctl reprovision archives the certificate and gives the device a new identity." },
  { "software-key-unusable", "The software key is there, but cannot be used: %s. It was not touched, and nothing was created. Put a usable key "
                             "in its place, or move it away to let tpmidd make a new identity, and restart tpmidd." },
  { "state-unreadable", "The records of this device cannot be read, so nothing was created. tpmidd tries again." },
};

char *
identity_hint_compose (const char *reason, const char *trouble)
{
  const char *template = "";

  for (gsize i = 0; i < G_N_ELEMENTS (hints); i++)
    if (strcmp (hints[i].reason, reason) == 0)
      template = hints[i].hint;

  g_auto (GStrv) parts = g_strsplit (template, "%s", 2);
  return g_strjoinv (trouble != NULL ? trouble : "", parts);
}

gboolean
identity_hint_may_go_away (const char *reason)
{
  static const char *const reasons[] = { "waiting-for-tpm", "tpm-missing", "tpm-unusable", "state-unreadable", "provisioning-failed", NULL };

  return g_strv_contains (reasons, reason);
}
