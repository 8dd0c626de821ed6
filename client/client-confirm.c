/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-confirm.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define TRIES 3
#define ANSWER_MAX 64

/* Terminal: where the question goes, and where the answer comes from; -1: there is nobody */
typedef struct Terminal
{
  int in, out;
} Terminal;

static void
terminal_clear (Terminal *self)
{
  if (self->in > STDERR_FILENO)
    (void) close (self->in);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Terminal, terminal_clear)

/* Who cannot see the question is not asked. Standard input may carry a file and standard error go to one, while a person sits
 * before the terminal. */
static gboolean
terminal_open (Terminal *self)
{
  if (isatty (STDIN_FILENO) && isatty (STDERR_FILENO))
    *self = (Terminal){ STDIN_FILENO, STDERR_FILENO };
  else
    self->in = self->out = open ("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  return self->in >= 0;
}

/* A terminal gives one line at a time. @ret_answer is empty at its end. */
static void
read_answer (int fd, char ret_answer[ANSWER_MAX])
{
  ssize_t size = read (fd, ret_answer, ANSWER_MAX - 1);

  ret_answer[MAX (size, 0)] = '\0';
}

static gboolean
ask (const Terminal *terminal, const char *verb)
{
  char answer[ANSWER_MAX];

  for (guint i = 0; i < TRIES; i++)
    {
      dprintf (terminal->out, "%s: go on? (yes/no) ", verb);
      read_answer (terminal->in, answer);
      if (answer[0] == '\0')
        {
          dprintf (terminal->out, "\n");
          return FALSE;
        }
      g_strstrip (answer);
      if (g_ascii_strcasecmp (answer, "yes") == 0)
        return TRUE;
      if (g_ascii_strcasecmp (answer, "no") == 0)
        return FALSE;
    }
  return FALSE;
}

gboolean
client_confirm (ClientSession *session, const ClientQuestion *question, gboolean is_yes, tpmid_error *error)
{
  g_auto (Terminal) terminal = { -1, -1 };
  g_autofree char *more = NULL;

  if (is_yes)
    return TRUE;
  if (!terminal_open (&terminal))
    return client_error_set (error, CLIENT_ERROR_USAGE,
                             "%s: %s There is no terminal to ask on, so nothing was done; --yes does it "
                             "without asking", question->verb, question->loss);
  if (question->describe != NULL)
    {
      more = question->describe (session, error);
      if (more == NULL)
        return FALSE;
    }
  dprintf (terminal.out, "%s\n%s", question->loss, more != NULL ? more : "");
  if (ask (&terminal, question->verb))
    return TRUE;
  return client_error_set (error, CLIENT_ERROR_DECLINED, "%s: not confirmed; nothing was done", question->verb);
}
