/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "identity-watch.h"

#include <gio/gunixmounts.h>
#include <sys/stat.h>

#define PAUSE_SEC 1 /* between two signals about a file that somebody keeps changing */

struct _IdentityWatch
{
  GObject parent_instance;
  const BaseConfig *config;
  GFileMonitor *files[2];
  GUnixMountMonitor *mounts;
  char *places; /* device and inode of each folder */
  guint pause;
};

G_DEFINE_FINAL_TYPE (IdentityWatch, identity_watch, G_TYPE_OBJECT)

static void
forget_files (IdentityWatch *self)
{
  for (gsize i = 0; i < G_N_ELEMENTS (self->files); i++)
    {
      if (self->files[i] != NULL)
        g_signal_handlers_disconnect_by_data (self->files[i], self);
      g_clear_object (&self->files[i]);
    }
}

static void
identity_watch_finalize (GObject *object)
{
  IdentityWatch *self = IDENTITY_WATCH (object);

  forget_files (self);
  g_signal_handlers_disconnect_by_data (self->mounts, self);
  g_object_unref (self->mounts);
  g_clear_handle_id (&self->pause, g_source_remove);
  g_free (self->places);
  G_OBJECT_CLASS (identity_watch_parent_class)->finalize (object);
}

static void
identity_watch_class_init (IdentityWatchClass *class)
{
  GType type = G_TYPE_FROM_CLASS (class);

  G_OBJECT_CLASS (class)->finalize = identity_watch_finalize;
  g_signal_new ("touched", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  g_signal_new ("moved", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
identity_watch_init (IdentityWatch *self)
{
}

static gboolean
on_pause_is_over (gpointer user_data)
{
  IdentityWatch *self = user_data;

  self->pause = 0;
  g_signal_emit_by_name (self, "touched");
  return G_SOURCE_REMOVE;
}

static void
on_file_event (GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer user_data)
{
  IdentityWatch *self = user_data;

  if (self->pause == 0)
    self->pause = g_timeout_add_seconds (PAUSE_SEC, on_pause_is_over, self);
}

static GFileMonitor *
watch_file (IdentityWatch *self, const char *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  GFileMonitor *monitor = g_file_monitor_file (file, G_FILE_MONITOR_NONE, NULL, NULL);

  if (monitor != NULL)
    g_signal_connect (monitor, "changed", G_CALLBACK (on_file_event), self);
  return monitor;
}

static void
watch_files (IdentityWatch *self)
{
  g_autofree char *mode_file = g_build_filename (self->config->runtime_path, "mode", NULL);

  forget_files (self);
  self->files[0] = watch_file (self, self->config->marker_path);
  self->files[1] = watch_file (self, mode_file);
}

static void
append_place (GString *places, const char *file)
{
  g_autofree char *folder = g_path_get_dirname (file);
  struct stat st = { 0 };

  if (stat (folder, &st) < 0)
    st = (struct stat) { 0 };
  g_string_append_printf (places, "%lx:%lx ", (unsigned long) st.st_dev, (unsigned long) st.st_ino);
}

static char *
find_places (const BaseConfig *config)
{
  GString *places = g_string_new (NULL);

  append_place (places, config->marker_path);
  append_place (places, config->state_path);
  append_place (places, config->certificate_path);
  return g_string_free (places, FALSE);
}

static void
on_mounts_changed (GUnixMountMonitor *monitor, gpointer user_data)
{
  IdentityWatch *self = user_data;
  g_autofree char *places = find_places (self->config);

  if (g_str_equal (places, self->places))
    return;
  g_free (self->places);
  self->places = g_steal_pointer (&places);
  watch_files (self);
  g_signal_emit_by_name (self, "moved");
}

IdentityWatch *
identity_watch_new (const BaseConfig *config)
{
  IdentityWatch *self = g_object_new (IDENTITY_TYPE_WATCH, NULL);

  self->config = config;
  self->places = find_places (config);
  self->mounts = g_unix_mount_monitor_get ();
  g_signal_connect (self->mounts, "mounts-changed", G_CALLBACK (on_mounts_changed), self);
  watch_files (self);
  return self;
}
