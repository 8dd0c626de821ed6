/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client-error.h"

G_BEGIN_DECLS

/**
 * ClientSession:
 * @json: print results and errors as JSON
 * @bus_address: (nullable): where the bus is; %NULL is the system bus
 * @timeout_ms: how long each call may take
 * @has_timeout: whether --timeout was given
 * @client: (nullable): made by client_session_get()
 *
 * What the global options say, and the way to tpmidd.
 */
typedef struct ClientSession
{
  gboolean json;
  char *bus_address;
  int timeout_ms;
  gboolean has_timeout;
  tpmid_client *client;
} ClientSession;

typedef struct ClientVerb ClientVerb;

/**
 * ClientVerb:
 * @name: the word on the command line
 * @synopsis: what follows it, for the help text
 * @summary: one line for the list of verbs
 * @description: (nullable): more lines for the verb's own help
 * @run: carries it out; @arguments begins with the verb's name. It prints the result only when all has succeeded.
 */
struct ClientVerb
{
  const char *name;
  const char *synopsis;
  const char *summary;
  const char *description;
  gboolean (*run) (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error);
};

extern const ClientVerb client_verb_cert;
extern const ClientVerb client_verb_csr;
extern const ClientVerb client_verb_decrypt;
extern const ClientVerb client_verb_doctor;
extern const ClientVerb client_verb_encrypt;
extern const ClientVerb client_verb_explain;
extern const ClientVerb client_verb_handles;
extern const ClientVerb client_verb_keys;
extern const ClientVerb client_verb_migrate;
extern const ClientVerb client_verb_monitor;
extern const ClientVerb client_verb_release_ownership;
extern const ClientVerb client_verb_reprovision;
extern const ClientVerb client_verb_reset;
extern const ClientVerb client_verb_rotate;
extern const ClientVerb client_verb_serial;
extern const ClientVerb client_verb_sign;
extern const ClientVerb client_verb_status;
extern const ClientVerb client_verb_verify;

/**
 * client_session_parse:
 * @context: (transfer full): a context with a verb's (or no) options
 * @arguments: (inout): NULL-terminated, the first is not looked at; what the options were is taken out
 * @error: Usage
 *
 * Parses options, the global ones among them, wherever they stand. --help prints the help text and ends the program.
 */
gboolean client_session_parse (ClientSession *self, GOptionContext *context, GStrv *arguments, tpmid_error *error);

/**
 * client_session_parse_verb:
 * @entries: the verb's own options
 *
 * client_session_parse() for @verb; "--" is taken out too.
 */
gboolean client_session_parse_verb (ClientSession *self, const ClientVerb *verb, const GOptionEntry *entries, GStrv *arguments,
                                    tpmid_error *error);

/**
 * client_session_expect:
 * @arguments: what client_session_parse_verb() left
 * @count: how many words may be there, with the verb itself
 *
 * Returns: %TRUE when there are no more; Usage otherwise
 */
gboolean client_session_expect (const GStrv arguments, guint count, tpmid_error *error);

/** client_session_get: (transfer none): the client, made at the first call */
tpmid_client *client_session_get (ClientSession *self);

void client_session_clear (ClientSession *self);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ClientSession, client_session_clear)

G_END_DECLS
