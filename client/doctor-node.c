/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor.h"

#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define ACL "system.posix_acl_access" /* acl(5) */
#define ACL_MAX 4096
#define MODE_USER(st) (((st)->st_mode & S_IRWXU) >> 6)
#define MODE_GROUP(st) (((st)->st_mode & S_IRWXG) >> 3)
#define MODE_OTHER(st) ((st)->st_mode & S_IRWXO)
#define READ_WRITE (ACL_READ | ACL_WRITE)

/* Node: a device node and who may use it */
typedef struct Node
{
  struct stat st;
  struct posix_acl_xattr_entry *entries; /* in the byte order of the file system; NULL: no access list */
  gsize count;
  guint mask;  /* what the list's entries for users and groups can give at most */
  guint group; /* what the node's group has */
} Node;

static void
node_clear (Node *self)
{
  g_free (self->entries);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Node, node_clear)

static guint
tag_of (const struct posix_acl_xattr_entry *entry)
{
  return GUINT16_FROM_LE (entry->e_tag);
}

static guint
perm_of (const struct posix_acl_xattr_entry *entry)
{
  return GUINT16_FROM_LE (entry->e_perm);
}

static guint32
id_of (const struct posix_acl_xattr_entry *entry)
{
  return GUINT32_FROM_LE (entry->e_id);
}

/* With a list the group's bits of the mode are its mask. */
static void
read_list (Node *self, const char *path)
{
  guint8 data[ACL_MAX];
  struct posix_acl_xattr_header header;
  ssize_t size = getxattr (path, ACL, data, sizeof data);

  self->mask = ACL_READ | ACL_WRITE | ACL_EXECUTE;
  self->group = MODE_GROUP (&self->st);
  if (size <= (ssize_t) sizeof header)
    return;
  memcpy (&header, data, sizeof header);
  if (GUINT32_FROM_LE (header.a_version) != POSIX_ACL_XATTR_VERSION)
    return;
  self->count = ((gsize) size - sizeof header) / sizeof self->entries[0];
  self->entries = g_memdup2 (data + sizeof header, self->count * sizeof self->entries[0]);
  for (gsize i = 0; i < self->count; i++)
    {
      if (tag_of (&self->entries[i]) == ACL_MASK)
        self->mask = perm_of (&self->entries[i]);
      if (tag_of (&self->entries[i]) == ACL_GROUP_OBJ)
        self->group = perm_of (&self->entries[i]);
    }
  self->group &= self->mask;
}

static gboolean
is_ours (const Doctor *self, uid_t uid)
{
  return uid == 0 || (uid == self->tpmidd_uid && uid != DOCTOR_NOBODY);
}

/* (transfer full) (nullable): users of the group @gid that are neither root nor tpmidd */
static char *
find_members (const Doctor *self, gid_t gid)
{
  gboolean has_members;
  g_autofree char *group = doctor_group_name (self, gid, &has_members);

  if (!has_members || (gid == 0 && !g_str_equal (group, "tpmidd")))
    return NULL;
  return g_str_equal (group, "tpmidd") ? g_strdup ("users in the group tpmidd") : g_strdup_printf ("the group %s", group);
}

static char *
find_in_list (const Doctor *self, const Node *node)
{
  for (gsize i = 0; i < node->count; i++)
    {
      const struct posix_acl_xattr_entry *entry = &node->entries[i];
      g_autofree char *who = NULL;
      if ((perm_of (entry) & node->mask) == 0)
        continue;
      if (tag_of (entry) == ACL_GROUP)
        who = find_members (self, id_of (entry));
      else if (tag_of (entry) == ACL_USER && !is_ours (self, id_of (entry)))
        {
          g_autofree char *name = doctor_user_name (self, id_of (entry));
          who = g_strdup_printf ("the user %s", name);
        }
      if (who != NULL)
        return g_strdup_printf ("%s, by the access list,", who);
    }
  return NULL;
}

/* Why others than root and tpmidd can open the node; NULL where they cannot. */
static char *
find_intruder (const Doctor *self, const Node *node)
{
  char *members;

  if (MODE_OTHER (&node->st) != 0)
    return g_strdup ("every user");
  if (!is_ours (self, node->st.st_uid) && MODE_USER (&node->st) != 0)
    {
      g_autofree char *owner = doctor_user_name (self, node->st.st_uid);
      return g_strdup_printf ("the user %s", owner);
    }
  members = node->group != 0 ? find_members (self, node->st.st_gid) : NULL;
  return members != NULL ? members : find_in_list (self, node);
}

/* tpmidd opens it by owner or, where the group is its own, by that, or by the access list. */
static gboolean
is_for_tpmidd (const Doctor *self, const Node *node)
{
  gboolean has_members;
  g_autofree char *group = doctor_group_name (self, node->st.st_gid, &has_members);

  if (self->daemon_uid == 0)
    return TRUE;
  if (node->st.st_uid == self->tpmidd_uid)
    return (MODE_USER (&node->st) & READ_WRITE) == READ_WRITE;
  for (gsize i = 0; i < node->count; i++)
    if (tag_of (&node->entries[i]) == ACL_USER && id_of (&node->entries[i]) == self->tpmidd_uid)
      return (perm_of (&node->entries[i]) & node->mask & READ_WRITE) == READ_WRITE;
  return g_str_equal (group, "tpmidd") && (node->group & READ_WRITE) == READ_WRITE;
}

static void
check_access (Doctor *self, const char *name, gboolean is_needed)
{
  g_autofree char *path = doctor_path (self, "/dev/%s", name);
  g_auto (Node) node = { 0 };
  gboolean has_members;

  if (stat (path, &node.st) != 0)
    {
      if (is_needed)
        doctor_add (self, "device", "node", DOCTOR_FAIL, "Is /dev a devtmpfs, and is udev running?", "%s: %s", path,
                    g_strerror (errno));
      return;
    }
  read_list (&node, path);

  g_autofree char *intruder = find_intruder (self, &node);
  g_autofree char *owner = doctor_user_name (self, node.st.st_uid);
  g_autofree char *group = doctor_group_name (self, node.st.st_gid, &has_members);
  g_autofree char *what = g_strdup_printf ("%s is of %s:%s, mode %04o%s", path, owner, group, (guint) node.st.st_mode & 07777,
                                           node.entries != NULL ? ", with an access list" : "");
  const char *next = node.entries != NULL ? "getfacl shows the access list; setfacl -b takes it away. Then: " DOCTOR_NEXT_RULE
                                          : DOCTOR_NEXT_RULE;

  if (intruder != NULL)
    doctor_add (self, "device", "node", DOCTOR_FAIL, next, "%s: %s can use every key in the TPM", what, intruder);
  else if (!is_for_tpmidd (self, &node))
    doctor_add (self, "device", "node", DOCTOR_FAIL, next, "%s: tpmidd cannot open it", what);
  else
    doctor_add (self, "device", "node", DOCTOR_PASS, NULL, "%s", what);
}

/* --- who has it open --- */

/* Of a process; the folder's owner is root where the process must not be looked into. */
static uid_t
read_uid (const char *process)
{
  g_autofree char *path = g_build_filename (process, "status", NULL);
  g_autofree char *content = doctor_read (path);
  const char *line = content != NULL ? strstr (content, "\nUid:") : NULL;
  struct stat st;
  guint real, effective;

  if (line != NULL && sscanf (line, "\nUid: %u %u", &real, &effective) == 2)
    return (uid_t) effective;
  return stat (process, &st) == 0 ? st.st_uid : DOCTOR_NOBODY;
}

static void
report_holder (Doctor *self, const char *process, const char *pid, const char *device)
{
  g_autofree char *path = g_build_filename (process, "comm", NULL);
  g_autofree char *name = doctor_read (path);
  uid_t uid = read_uid (process);
  g_autofree char *user = doctor_user_name (self, uid);
  gboolean is_tpmidd = g_strcmp0 (name != NULL ? g_strchomp (name) : NULL, "tpmidd") == 0;
  DoctorResult result = !is_ours (self, uid) ? DOCTOR_FAIL : is_tpmidd ? DOCTOR_PASS : DOCTOR_WARN;

  doctor_add (self, "device", "holder", result,
              result == DOCTOR_PASS ? NULL : "Stop that program: it can use every key in the TPM, and may keep others from it.",
              "%s is held by %s, process %s of the user %s", device, name != NULL ? name : "a program without a name", pid, user);
}

/* Returns: how many of the two devices a process has open; and whether all of its descriptors could be looked at. */
static guint
look_at_process (Doctor *self, const char *process, const char *pid, const char *const devices[2], gboolean *ret_is_complete)
{
  g_autofree char *folder = g_build_filename (process, "fd", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  gboolean held[2] = { FALSE };
  const char *name;

  /* One that has just ended hides nothing. */
  *ret_is_complete = dir != NULL || !g_file_test (process, G_FILE_TEST_EXISTS);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autofree char *target = g_file_read_link (path, NULL);
      for (guint i = 0; i < 2; i++)
        held[i] = held[i] || g_strcmp0 (target, devices[i]) == 0;
    }
  for (guint i = 0; i < 2; i++)
    if (held[i])
      report_holder (self, process, pid, devices[i]);
  return (guint) held[0] + (guint) held[1];
}

static void
check_holders (Doctor *self, const char *const devices[2])
{
  g_autofree char *folder = doctor_path (self, "/proc");
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  gboolean is_complete = dir != NULL;
  guint found = 0;
  const char *pid;

  while (dir != NULL && (pid = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *process = g_build_filename (folder, pid, NULL);
      gboolean is_readable;
      if (!g_ascii_isdigit (pid[0]))
        continue;
      found += look_at_process (self, process, pid, devices, &is_readable);
      is_complete = is_complete && is_readable;
    }
  if (found == 0 && is_complete)
    doctor_add (self, "device", "holder", DOCTOR_PASS, NULL, "%s and %s are held by nobody", devices[0], devices[1]);
  else if (!is_complete)
    doctor_add (self, "device", "holder", DOCTOR_SKIP, NULL, "%s and %s: who%s holds them is for root to see", devices[0],
                devices[1], found > 0 ? " else" : "");
}

void
doctor_node_check (Doctor *self, const char *name)
{
  g_autofree char *managed = g_strconcat ("tpmrm", name + strlen ("tpm"), NULL);
  g_autofree char *node = g_strconcat ("/dev/", name, NULL);
  g_autofree char *managed_node = g_strconcat ("/dev/", managed, NULL);

  check_access (self, name, TRUE);
  check_access (self, managed, FALSE);
  check_holders (self, (const char *const[]){ node, managed_node });
}
