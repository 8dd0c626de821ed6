/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm-turns.h"

/* A ring of uids for each priority, in each uid a ring of clients, in each client a row of turns. Rings and rows are never
 * empty: what runs empty leaves. */
typedef struct
{
  const char *name; /* (nullable): the first turn's own */
  GQueue turns;
} Client;

typedef struct
{
  guint uid;
  GQueue clients;
} User;

struct TpmTurns
{
  GQueue users[TPM_N_PRIORITIES];
  guint streak;
  guint64 sequence;
};

TpmTurns *
tpm_turns_new (void)
{
  return g_new0 (TpmTurns, 1);
}

void
tpm_turns_free (TpmTurns *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < TPM_N_PRIORITIES; i++)
    g_assert (g_queue_is_empty (&self->users[i]));
  g_free (self);
}

static GList *
find_user (const GQueue *users, guint uid)
{
  GList *at = users->head;

  while (at != NULL && ((User *) at->data)->uid != uid)
    at = at->next;
  return at;
}

static GList *
find_client (const GQueue *clients, const char *name)
{
  GList *at = clients->head;

  while (at != NULL && g_strcmp0 (((Client *) at->data)->name, name) != 0)
    at = at->next;
  return at;
}

void
tpm_turns_push (TpmTurns *self, TpmTurn *turn)
{
  GQueue *users = &self->users[turn->priority];
  GList *user_link = find_user (users, turn->uid);

  if (user_link == NULL)
    {
      User *user = g_new0 (User, 1);
      user->uid = turn->uid;
      g_queue_push_tail (users, user);
      user_link = users->tail;
    }

  GQueue *clients = &((User *) user_link->data)->clients;
  GList *client_link = find_client (clients, turn->client);
  if (client_link == NULL)
    {
      g_queue_push_tail (clients, g_new0 (Client, 1));
      client_link = clients->tail;
    }

  Client *client = (Client *) client_link->data;
  g_queue_push_tail (&client->turns, turn);
  client->name = ((TpmTurn *) client->turns.head->data)->client;
  turn->sequence = ++self->sequence;
}

/* Takes the turn out; what is left of its client and its user goes to the end of the ring when @rotate. */
static void
take_out (TpmTurns *self, TpmTurn *turn, gboolean rotate)
{
  GQueue *users = &self->users[turn->priority];
  GList *user_link = find_user (users, turn->uid);
  User *user = (User *) user_link->data;
  GList *client_link = find_client (&user->clients, turn->client);
  Client *client = (Client *) client_link->data;

  g_assert (g_queue_remove (&client->turns, turn));
  if (g_queue_is_empty (&client->turns))
    {
      g_queue_delete_link (&user->clients, client_link);
      g_free (client);
    }
  else
    {
      client->name = ((TpmTurn *) client->turns.head->data)->client;
      if (rotate)
        {
          g_queue_unlink (&user->clients, client_link);
          g_queue_push_tail_link (&user->clients, client_link);
        }
    }

  if (g_queue_is_empty (&user->clients))
    {
      g_queue_delete_link (users, user_link);
      g_free (user);
    }
  else if (rotate)
    {
      g_queue_unlink (users, user_link);
      g_queue_push_tail_link (users, user_link);
    }
}

void
tpm_turns_remove (TpmTurns *self, TpmTurn *turn)
{
  take_out (self, turn, FALSE);
}

static TpmTurn *
oldest_of (const GQueue *users)
{
  TpmTurn *oldest = NULL;

  for (GList *user = users->head; user != NULL; user = user->next)
    for (GList *client = ((User *) user->data)->clients.head; client != NULL; client = client->next)
      {
        TpmTurn *first = (TpmTurn *) ((Client *) client->data)->turns.head->data;
        if (oldest == NULL || first->sequence < oldest->sequence)
          oldest = first;
      }
  return oldest;
}

static TpmTurn *
oldest_below (const TpmTurns *self, guint priority)
{
  TpmTurn *oldest = NULL;

  for (guint i = priority + 1; i < TPM_N_PRIORITIES; i++)
    {
      TpmTurn *turn = oldest_of (&self->users[i]);
      if (turn != NULL && (oldest == NULL || turn->sequence < oldest->sequence))
        oldest = turn;
    }
  return oldest;
}

TpmTurn *
tpm_turns_pop (TpmTurns *self)
{
  guint priority = 0;

  while (priority < TPM_N_PRIORITIES && g_queue_is_empty (&self->users[priority]))
    priority++;
  if (priority == TPM_N_PRIORITIES)
    return NULL;

  TpmTurn *waits_below = oldest_below (self, priority);
  TpmTurn *turn;
  if (waits_below != NULL && self->streak >= TPM_TURNS_STREAK)
    {
      turn = waits_below;
      self->streak = 0;
    }
  else
    {
      User *user = (User *) self->users[priority].head->data;
      Client *client = (Client *) user->clients.head->data;
      turn = (TpmTurn *) client->turns.head->data;
      self->streak = waits_below != NULL ? self->streak + 1 : 0;
    }
  take_out (self, turn, TRUE);
  return turn;
}

/* What a uid, or one client of it, has waiting. */
typedef struct
{
  guint n;
  TpmTurn *newest;
} Share;

/* Of all the uid's clients where @name is NULL. */
static Share
share_of (const TpmTurns *self, guint uid, const char *name)
{
  Share share = { 0, NULL };

  for (guint i = 0; i < TPM_N_PRIORITIES; i++)
    {
      GList *user_link = find_user (&self->users[i], uid);
      for (GList *at = user_link != NULL ? ((User *) user_link->data)->clients.head : NULL; at != NULL; at = at->next)
        {
          Client *client = (Client *) at->data;
          if (client->name == NULL || (name != NULL && !g_str_equal (client->name, name)))
            continue;
          TpmTurn *last = (TpmTurn *) client->turns.tail->data;
          share.n += client->turns.length;
          if (share.newest == NULL || last->sequence > share.newest->sequence)
            share.newest = last;
        }
    }
  return share;
}

static Share
greedier (Share a, Share b)
{
  if (a.n != b.n)
    return a.n > b.n ? a : b;
  return a.n == 0 || a.newest->sequence > b.newest->sequence ? a : b;
}

static Share
greediest_user (const TpmTurns *self)
{
  Share most = { 0, NULL };

  for (guint i = 0; i < TPM_N_PRIORITIES; i++)
    for (GList *user = self->users[i].head; user != NULL; user = user->next)
      most = greedier (most, share_of (self, ((User *) user->data)->uid, NULL));
  return most;
}

static Share
greediest_client (const TpmTurns *self, guint uid)
{
  Share most = { 0, NULL };

  for (guint i = 0; i < TPM_N_PRIORITIES; i++)
    {
      GList *user_link = find_user (&self->users[i], uid);
      for (GList *at = user_link != NULL ? ((User *) user_link->data)->clients.head : NULL; at != NULL; at = at->next)
        {
          Client *client = (Client *) at->data;
          if (client->name != NULL)
            most = greedier (most, share_of (self, uid, client->name));
        }
    }
  return most;
}

TpmTurn *
tpm_turns_find_greedy (const TpmTurns *self, guint uid)
{
  Share most = greediest_user (self);

  if (most.n <= share_of (self, uid, NULL).n)
    return NULL;
  return greediest_client (self, most.newest->uid).newest;
}

static guint
count (const TpmTurns *self, gboolean (*wanted) (const char *name, const char *client), const char *client)
{
  guint n = 0;

  for (guint i = 0; i < TPM_N_PRIORITIES; i++)
    for (GList *user = self->users[i].head; user != NULL; user = user->next)
      for (GList *at = ((User *) user->data)->clients.head; at != NULL; at = at->next)
        {
          Client *candidate = (Client *) at->data;
          if (wanted (candidate->name, client))
            n += candidate->turns.length;
        }
  return n;
}

static gboolean
is_bounded (const char *name, const char *client)
{
  return name != NULL && (client == NULL || g_str_equal (name, client));
}

static gboolean
is_any (const char *name, const char *client)
{
  return TRUE;
}

guint
tpm_turns_count (const TpmTurns *self, const char *client)
{
  return count (self, is_bounded, client);
}

guint
tpm_turns_count_all (const TpmTurns *self)
{
  return count (self, is_any, NULL);
}
