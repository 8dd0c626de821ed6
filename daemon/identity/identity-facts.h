/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base-config.h"
#include "identity-backend.h"
#include "identity-cert.h"
#include "identity-decision.h"
#include "identity-operation.h"
#include "identity-store.h"

G_BEGIN_DECLS

/**
 * IdentityFacts:
 *
 * What was found at boot, and the decision that follows. Made on the TPM thread, then constant.
 */
typedef struct
{
  IdentityInputs inputs;
  IdentityDecision decision;
  guint64 commands_before;       /* TPM commands since start, when this decision began */
  gboolean is_open;              /* the TPM answered, whether it is of use or not */
  IdentityOwnership ownership;
  IdentityOperationFacts operation;
  IdentityBackend *tpm_key;      /* (nullable) */
  IdentityBackend *software_key; /* (nullable) */
  IdentityCert *certificate;     /* (nullable) */
  IdentityRecord *record;
  char *tpm_trouble;             /* (nullable): why the TPM is absent or unusable, a sentence */
  char *software_trouble;        /* (nullable): why the software key cannot be used, a sentence */
  char *srk_name;                /* (nullable): hex, when it had to be read */
  char *serial;
  const char *serial_source;     /* static */
  GPtrArray *problems;           /* of char *: "thing: sentence" */
} IdentityFacts;

/**
 * identity_facts_gather:
 * @link: (nullable): the TPM, not necessarily open; %NULL (with LOOK_ASIDE) when it holds its thread and does not answer: then it counts
 *   as unusable
 * @look: see identity_operation_prepare()
 *
 * TPM thread; with a %NULL @link any thread. Carries out an operation that is under way (identity_operation_prepare()), reads everything the
 * decision needs, and decides. Where no operation is under way it changes nothing, but for one thing: a certificate
 * file that is empty or cannot be decoded is moved aside. A healthy TPM identity costs three commands beside those of
 * opening the link and of reading the serial number: to find the key (2) and to prove it (1).
 *
 * Returns: (transfer full): the facts
 */
IdentityFacts *identity_facts_gather (TpmLink *link, const BaseConfig *config, IdentityLook look);

/* Returns: where the identity key is, or will be */
guint32 identity_facts_key_handle (const IdentityFacts *facts, const BaseConfig *config);

void identity_facts_free (IdentityFacts *facts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (IdentityFacts, identity_facts_free)

G_END_DECLS
