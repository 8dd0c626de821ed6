/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-clients.h"

#include "base-error.h"

#include <string.h>

#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"

struct BusClients
{
  grefcount refs;
  GDBusConnection *connection;
  GHashTable *by_sender; /* char * (the client's) -> BusClient *, owned */
  guint64 clock;         /* counts calls, to tell which client was idle longest */
};

struct BusClient
{
  grefcount refs;
  BusClients *clients; /* NULL once it is forgotten */
  char *sender;
  guint calls;
  guint64 last_used;
  guint subscription;
  gboolean asking;
  GQueue waiting; /* Waiter * */
  IdentityCaller *caller;
};

typedef struct
{
  BusClientFunc func;
  gpointer user_data;
} Waiter;

static void
client_unref (BusClient *self)
{
  if (!g_ref_count_dec (&self->refs))
    return;
  g_assert (g_queue_is_empty (&self->waiting));
  g_clear_pointer (&self->caller, identity_caller_unref);
  g_free (self->sender);
  g_free (self);
}

/* Answers everybody who waits, in the order in which they came. The caller holds a reference to @self. */
static void
answer_waiting (BusClient *self, const GError *error)
{
  Waiter *waiter;

  while ((waiter = g_queue_pop_head (&self->waiting)) != NULL)
    {
      waiter->func (self->caller, error, waiter->user_data);
      g_free (waiter);
    }
}

/* Ends the watch, and takes along what waits. Calls under way keep the client itself. */
static void
client_forget (BusClient *self)
{
  g_autoptr (GError) error = g_error_new_literal (TPMID_ERROR, TPMID_ERROR_CANCELLED, "the caller has left the bus");
  BusClients *clients = g_steal_pointer (&self->clients);

  g_dbus_connection_signal_unsubscribe (clients->connection, self->subscription);
  g_hash_table_steal (clients->by_sender, self->sender);
  if (self->caller != NULL)
    g_cancellable_cancel (self->caller->gone);
  answer_waiting (self, error);
  client_unref (self);
}

static void
on_name_owner_changed (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                       const char *signal, GVariant *parameters, gpointer user_data)
{
  BusClients *self = user_data;
  const char *name, *new_owner;

  g_variant_get (parameters, "(&s&s&s)", &name, NULL, &new_owner);
  BusClient *client = g_hash_table_lookup (self->by_sender, name);
  if (client != NULL && new_owner[0] == '\0')
    client_forget (client);
}

static BusClient *
client_new (BusClients *clients, const char *sender)
{
  BusClient *self = g_new0 (BusClient, 1);

  g_ref_count_init (&self->refs);
  self->clients = clients;
  self->sender = g_strdup (sender);
  g_queue_init (&self->waiting);
  /* Before the question who it is: either the answer is an error, or the signal will come. */
  self->subscription = g_dbus_connection_signal_subscribe (clients->connection, BUS_NAME, BUS_NAME, "NameOwnerChanged", BUS_PATH,
                                                           sender, G_DBUS_SIGNAL_FLAGS_NONE, on_name_owner_changed, clients,
                                                           NULL);
  g_hash_table_insert (clients->by_sender, self->sender, self);
  return self;
}

static BusClient *
find_longest_idle (BusClients *self)
{
  BusClient *oldest = NULL;
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->by_sender);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      BusClient *client = value;
      if (client->calls == 0 && (oldest == NULL || client->last_used < oldest->last_used))
        oldest = client;
    }
  return oldest;
}

static void
forget_one_idle (BusClients *self)
{
  BusClient *oldest = find_longest_idle (self);

  if (oldest != NULL)
    client_forget (oldest);
}

BusClients *
bus_clients_new (GDBusConnection *connection)
{
  BusClients *self = g_new0 (BusClients, 1);

  g_ref_count_init (&self->refs);
  self->connection = g_object_ref (connection);
  self->by_sender = g_hash_table_new (g_str_hash, g_str_equal);
  return self;
}

BusClients *
bus_clients_ref (BusClients *self)
{
  g_ref_count_inc (&self->refs);
  return self;
}

void
bus_clients_close (BusClients *self)
{
  GHashTableIter iter;
  gpointer value;

  /* Answering those who wait may not call back into this table, so each round starts afresh. */
  for (g_hash_table_iter_init (&iter, self->by_sender); g_hash_table_iter_next (&iter, NULL, &value);
       g_hash_table_iter_init (&iter, self->by_sender))
    client_forget (value);
}

void
bus_clients_unref (BusClients *self)
{
  if (self == NULL || !g_ref_count_dec (&self->refs))
    return;
  bus_clients_close (self);
  g_hash_table_unref (self->by_sender);
  g_object_unref (self->connection);
  g_free (self);
}

BusClient *
bus_clients_begin (BusClients *self, const char *sender, GError **error)
{
  BusClient *client = g_hash_table_lookup (self->by_sender, sender);

  if (client == NULL)
    {
      if (g_hash_table_size (self->by_sender) >= BUS_CLIENTS_IDLE_MAX)
        forget_one_idle (self);
      client = client_new (self, sender);
    }
  if (client->calls >= BUS_CLIENT_CALLS_MAX)
    {
      g_set_error (error, TPMID_ERROR, TPMID_ERROR_BUSY,
                   "%u calls of this connection are under way; wait for an answer before sending more", client->calls);
      return NULL;
    }
  client->calls++;
  client->last_used = ++self->clock;
  g_ref_count_inc (&client->refs);
  return client;
}

void
bus_client_end (BusClient *client)
{
  g_assert (client->calls > 0);
  client->calls--;
  client_unref (client);
}

IdentityCaller *
bus_client_peek_caller (BusClient *client)
{
  return client->caller;
}

static IdentityCaller *
caller_from_credentials (const char *sender, GVariant *credentials)
{
  /* D-Bus specification 1.0, revision 0.38, org.freedesktop.DBus.GetConnectionCredentials. */
  g_autoptr (GVariant) groups = g_variant_lookup_value (credentials, "UnixGroupIDs", G_VARIANT_TYPE ("au"));
  const guint32 *gids = NULL;
  gsize n_gids = 0;
  guint32 uid;

  if (!g_variant_lookup (credentials, "UnixUserID", "u", &uid))
    return NULL;
  if (groups != NULL)
    gids = g_variant_get_fixed_array (groups, &n_gids, sizeof *gids);
  return identity_caller_new (sender, uid, gids, n_gids);
}

static void
on_credentials (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BusClient *self = user_data;
  g_autoptr (GError) cause = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &cause);

  self->asking = FALSE;
  if (reply != NULL && self->clients != NULL)
    {
      g_autoptr (GVariant) credentials = g_variant_get_child_value (reply, 0);
      self->caller = caller_from_credentials (self->sender, credentials);
    }
  if (g_error_matches (cause, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER))
    error = g_error_new_literal (TPMID_ERROR, TPMID_ERROR_CANCELLED, "the caller has left the bus");
  else if (self->caller == NULL)
    error = g_error_new (TPMID_ERROR, TPMID_ERROR_NOT_AUTHORIZED, "the bus does not say which user this caller is: %s",
                         cause != NULL ? cause->message : "no UnixUserID");
  answer_waiting (self, error);
  client_unref (self);
}

void
bus_client_identify (BusClient *client, BusClientFunc func, gpointer user_data)
{
  Waiter *waiter = g_new (Waiter, 1);

  g_assert (client->caller == NULL);
  *waiter = (Waiter) { func, user_data };
  g_queue_push_tail (&client->waiting, waiter);
  if (client->asking)
    return;
  client->asking = TRUE;
  g_ref_count_inc (&client->refs);
  g_dbus_connection_call (client->clients->connection, BUS_NAME, BUS_PATH, BUS_NAME, "GetConnectionCredentials",
                          g_variant_new ("(s)", client->sender), G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                          on_credentials, client);
}
