/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-code.h"
#include "client-explain.h"
#include "client-json.h"
#include "client-session.h"

#include <tss2/tss2_rc.h>

/* Code: what is in the number */
typedef struct Code
{
  guint32 rc;
  const char *layer;              /* whose answer it is, "" for an unknown one */
  char *about;                    /* "parameter 1", or NULL */
  char *text;                     /* the TSS's */
  const ClientExplanation *error; /* NULL: none that tpmidd makes of it */
  const char *remedy;             /* NULL: none */
} Code;

static void
print_row (const char *label, const char *text)
{
  if (text != NULL && text[0] != '\0')
    printf ("%-10s %s\n", label, text);
}

static void
add_member (JsonBuilder *builder, const char *name, const char *text)
{
  client_json_add_string (builder, name, text != NULL ? text : "");
}

static void
print_code (const Code *code)
{
  g_autofree char *number = g_strdup_printf ("0x%08x (%u)", code->rc, code->rc);

  print_row ("Code", number);
  print_row ("From", code->layer);
  print_row ("About", code->about);
  print_row ("TSS", code->text);
  print_row ("Error", code->error != NULL ? code->error->name : NULL);
  print_row ("Meaning", code->error != NULL ? code->error->meaning : NULL);
  print_row ("Do", code->remedy);
}

static void
add_code (JsonBuilder *builder, const Code *code)
{
  g_autofree char *number = g_strdup_printf ("0x%08x", code->rc);

  add_member (builder, "code", number);
  add_member (builder, "from", code->layer);
  add_member (builder, "about", code->about);
  add_member (builder, "tss", code->text);
  add_member (builder, "error", code->error != NULL ? code->error->name : NULL);
  add_member (builder, "meaning", code->error != NULL ? code->error->meaning : NULL);
  add_member (builder, "do", code->remedy);
}

static void
code_clear (Code *self)
{
  g_free (self->about);
  g_free (self->text);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Code, code_clear)

static void
decode (guint32 rc, Code *ret_code)
{
  const ClientCodeHint *hint = client_code_hint (rc);
  const ClientExplanation *error = hint != NULL ? client_explain_find (hint->error) : NULL;
  const char *usual = error != NULL ? error->remedy : NULL;

  *ret_code = (Code){ .rc = rc, .layer = client_code_layer (rc), .about = client_code_place (rc), .error = error };
  /* Of the TPM's own codes the TSS explains those of one of the two resource managers' layers only: it gets them bare. It has
   * one buffer for all. */
  ret_code->text = g_strdup (Tss2_RC_Decode (client_code_plain (rc)));
  ret_code->remedy = hint != NULL && hint->remedy != NULL ? hint->remedy : usual;
}

/* Digits that can be read in two ways are explained in both. */
static void
explain_codes (const guint32 *rcs, guint count, gboolean json)
{
  g_auto (Code) first = { 0 }, second = { 0 };
  g_autoptr (JsonBuilder) builder = json_builder_new ();

  decode (rcs[0], &first);
  if (count > 1)
    decode (rcs[1], &second);
  if (!json)
    {
      print_code (&first);
      if (count > 1)
        puts ("\nOr, as hex digits:");
      if (count > 1)
        print_code (&second);
      return;
    }
  json_builder_begin_object (builder);
  add_code (builder, &first);
  if (count > 1)
    {
      json_builder_set_member_name (builder, "hex");
      json_builder_begin_object (builder);
      add_code (builder, &second);
      json_builder_end_object (builder);
    }
  json_builder_end_object (builder);
  client_json_print (builder, stdout, FALSE);
}

static void
explain_error (const ClientExplanation *error, gboolean json)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *exit_status = g_strdup_printf ("%d", client_error_class (error->name)->exit_status);

  if (!json)
    {
      print_row ("Error", error->name);
      print_row ("Meaning", error->meaning);
      print_row ("Do", error->remedy);
      print_row ("Exit", exit_status);
      return;
    }
  json_builder_begin_object (builder);
  add_member (builder, "error", error->name);
  add_member (builder, "meaning", error->meaning);
  add_member (builder, "do", error->remedy);
  json_builder_set_member_name (builder, "exit");
  json_builder_add_int_value (builder, client_error_class (error->name)->exit_status);
  json_builder_end_object (builder);
  client_json_print (builder, stdout, FALSE);
}

static gboolean
explain (const char *word, gboolean json)
{
  const ClientExplanation *explanation = client_explain_find (word);
  guint32 rcs[2];
  guint count = client_code_from_name (word, &rcs[0]) ? 1 : client_code_parse (word, rcs);

  if (explanation != NULL)
    explain_error (explanation, json);
  else if (count > 0)
    explain_codes (rcs, count, json);
  return explanation != NULL || count > 0;
}

static gboolean
run (ClientSession *session, const ClientVerb *self, GStrv *arguments, tpmid_error *error)
{
  const GOptionEntry entries[] = { { NULL } };

  if (!client_session_parse_verb (session, self, entries, arguments, error) || !client_session_expect (*arguments, 2, error))
    return FALSE;

  const char *word = (*arguments)[1];
  if (word != NULL && explain (word, session->json))
    return TRUE;
  return client_error_set (error, CLIENT_ERROR_USAGE,
                           "explain: %s%s%s; it takes a TSS code, such as 0x9a2, 2466 or TPM_RC_LOCKOUT, or the name of an "
                           "error, such as WrongState or org.tpmid1.Error.WrongState", word != NULL ? "\"" : "",
                           word != NULL ? word : "the code is missing", word != NULL ? "\" is none that is known" : "");
}

const ClientVerb client_verb_explain = {
  .name = "explain",
  .synopsis = "CODE",
  .summary = "Say what a TSS code or an error of tpmidd means, and what to do",
  .description = "CODE is a number of any layer of the TSS, as 0x9a2 (hex) or 2466, a name of the TSS, as TPM_RC_LOCKOUT, or\n"
                 "the name of an error, as WrongState or org.tpmid1.Error.WrongState. Neither tpmidd nor a TPM is needed.",
  .run = run,
};
