/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-progress.h"

#include <stdio.h>
#include <unistd.h>

#define LINE_SECONDS 5

struct ClientProgress
{
  char *text;
  gboolean is_terminal;
  gint64 start; /* monotonic, microseconds */
  GMutex lock;
  GCond ended;
  gboolean is_ended; /* under the lock */
  GThread *thread;   /* NULL: nothing is said */
};

static gpointer
count (gpointer data)
{
  ClientProgress *self = data;
  gint64 step = self->is_terminal ? 1 : LINE_SECONDS;
  int width = 0;

  g_mutex_lock (&self->lock);
  for (gint64 seconds = step; !self->is_ended; seconds += step)
    {
      gint64 until = self->start + seconds * G_TIME_SPAN_SECOND;
      while (!self->is_ended && g_cond_wait_until (&self->ended, &self->lock, until))
        continue;
      if (!self->is_ended && !self->is_terminal)
        fprintf (stderr, "%s: %" G_GINT64_FORMAT " s\n", self->text, seconds);
      else if (!self->is_ended)
        width = fprintf (stderr, "\r%s: %" G_GINT64_FORMAT " s", self->text, seconds);
    }
  g_mutex_unlock (&self->lock);
  if (width > 0)
    fprintf (stderr, "\r%*s\r", width, "");
  return NULL;
}

ClientProgress *
client_progress_start (const char *text, ClientProgressKind kind)
{
  ClientProgress *self = g_new0 (ClientProgress, 1);

  self->text = g_strdup (text);
  self->start = g_get_monotonic_time ();
  g_mutex_init (&self->lock);
  g_cond_init (&self->ended);
  self->is_terminal = isatty (STDERR_FILENO) != 0;
  if (self->is_terminal || kind == CLIENT_PROGRESS_ALWAYS)
    self->thread = g_thread_new ("progress", count, self);
  return self;
}

void
client_progress_end (ClientProgress *progress)
{
  if (progress->thread != NULL)
    {
      g_mutex_lock (&progress->lock);
      progress->is_ended = TRUE;
      g_cond_signal (&progress->ended);
      g_mutex_unlock (&progress->lock);
      g_thread_join (progress->thread);
    }
  g_cond_clear (&progress->ended);
  g_mutex_clear (&progress->lock);
  g_free (progress->text);
  g_free (progress);
}
