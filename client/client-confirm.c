/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-confirm.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define TRIES 3
#define ANSWER_MAX 64

static void
close_terminal (int *fd)
{
  if (*fd > STDERR_FILENO)
    (void) close (*fd);
}

/* Where the answer comes from; -1: there is nobody. Standard input may carry a file, while a person sits before the terminal. */
static int
open_terminal (void)
{
  if (isatty (STDIN_FILENO))
    return STDIN_FILENO;
  return isatty (STDERR_FILENO) ? open ("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC) : -1;
}

/* A terminal gives one line at a time. @ret_answer is empty at its end. */
static void
read_answer (int fd, char ret_answer[ANSWER_MAX])
{
  ssize_t size = read (fd, ret_answer, ANSWER_MAX - 1);

  ret_answer[MAX (size, 0)] = '\0';
}

static gboolean
ask (int fd, const char *verb)
{
  char answer[ANSWER_MAX];

  for (guint i = 0; i < TRIES; i++)
    {
      fprintf (stderr, "%s: go on? (yes/no) ", verb);
      read_answer (fd, answer);
      if (answer[0] == '\0')
        {
          fputc ('\n', stderr);
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
  g_autofree char *more = NULL;

  if (is_yes)
    return TRUE;

  __attribute__ ((cleanup (close_terminal))) int fd = open_terminal ();
  if (fd < 0)
    return client_error_set (error, CLIENT_ERROR_USAGE,
                             "%s: %s There is no terminal to ask on, so nothing was done; --yes does it "
                             "without asking", question->verb, question->loss);
  if (question->describe != NULL)
    {
      more = question->describe (session, error);
      if (more == NULL)
        return FALSE;
    }
  fprintf (stderr, "%s\n%s", question->loss, more != NULL ? more : "");
  if (ask (fd, question->verb))
    return TRUE;
  return client_error_set (error, CLIENT_ERROR_DECLINED, "%s: not confirmed; nothing was done", question->verb);
}
