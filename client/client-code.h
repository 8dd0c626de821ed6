/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Codes (TSS2_RC) of the TPM and of the layers of the TSS: TCG TSS 2.0 Overview and Common Structures, 3.9; TPM 2.0 Library
 * Part 2, 6.6. Bits 16 to 23 are the layer, those above are 0.
 */

/**
 * ClientCodeHint:
 * @rc: the code; of the TPM: without the bits of layer, handle, parameter or session; 0: a whole layer
 * @name: its name in the TSS, "TPM2_RC_LOCKOUT", or "" for a whole layer
 * @error: what tpmidd makes of it, without "org.tpmid1.Error."
 * @remedy: (nullable): words for a person where these say more than those of the error
 */
typedef struct ClientCodeHint
{
  guint32 rc;
  const char *name;
  const char *error;
  const char *remedy;
} ClientCodeHint;

/** client_code_hint: (nullable): what @rc has to do with tpmidd; %NULL: nothing, or nobody has such a layer */
const ClientCodeHint *client_code_hint (guint32 rc);

/** client_code_layer: whose answer @rc is, words for a person; "" for an unknown layer */
const char *client_code_layer (guint32 rc);

/** client_code_place: (transfer full) (nullable): "parameter 1", "session 2": what a code of the TPM is about */
char *client_code_place (guint32 rc);

/** client_code_plain: @rc without the layers of the resource managers, where it is the TPM's own code or one in its words */
guint32 client_code_plain (guint32 rc);

/**
 * client_code_from_name:
 * @name: "TPM_RC_LOCKOUT", "TPM2_RC_LOCKOUT", "TSS2_ESYS_RC_BAD_SEQUENCE", in upper or lower case
 *
 * Returns: whether there is a hint of that name
 */
gboolean client_code_from_name (const char *name, guint32 *ret_rc);

/**
 * client_code_parse:
 * @word: hex digits with 0x before them; or digits, decimal or hex, at least one of them no letter
 * @ret_rcs: (out): the readings, the decimal one first
 *
 * Returns: how many readings there are: 0, it is no number of 32 bits; 2, both are numbers, and different ones
 */
guint client_code_parse (const char *word, guint32 ret_rcs[2]);

G_END_DECLS
