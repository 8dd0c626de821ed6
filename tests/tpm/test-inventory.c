/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-password.h"
#include "tpm-inventory.h"
#include "tpm-key.h"
#include "tpm-nv.h"

static GArray *
list (TpmLink *link)
{
  GArray *objects = NULL;
  g_autoptr (GError) error = NULL;

  test_tpm_ensure (link);
  (void) tpm_inventory_list (link, &objects, &error);
  g_assert_no_error (error);
  return objects;
}

static const TpmObject *
find (GArray *objects, guint32 handle)
{
  for (guint i = 0; i < objects->len; i++)
    if (g_array_index (objects, TpmObject, i).handle == handle)
      return &g_array_index (objects, TpmObject, i);
  g_error ("0x%08x is not listed", handle);
}

static void
assert_hierarchy (GArray *objects, guint32 handle, TpmHierarchy hierarchy)
{
  g_assert_true (find (objects, handle)->is_hierarchy_known);
  g_assert_cmpint (find (objects, handle)->hierarchy, ==, hierarchy);
}

static TpmPublic
make_keys (TpmLink *link)
{
  TpmPublic public;
  ESYS_TR tr;
  g_autoptr (GError) error = NULL;

  test_tpm_ensure (link);
  (void) test_tpm_make (link, TPM_KEY_ECC_P256, &public, &error);
  g_assert_no_error (error);
  (void) tpm_parent_get (link, &test_parent, &tr, NULL, &error);
  g_assert_no_error (error);
  return public;
}

static void
keys_are_listed_with_what_they_are (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  TpmPublic public = make_keys (link);

  test_swtpm_run (swtpm, "sh -c 'tpm2_createek -Q -G rsa -c 0x81010001 && tpm2_flushcontext -t'");
  test_swtpm_run (swtpm, "sh -c 'tpm2_createprimary -Q -C p -c p.ctx && tpm2_evictcontrol -Q -C p -c p.ctx 0x81800001 && tpm2_flushcontext -t'");
  test_swtpm_run (swtpm, "sh -c 'tpm2_createprimary -Q -C o -g sha384 -c o.ctx && tpm2_create -Q -C o.ctx -G ecc -u k.pub -r k.priv && "
                         "tpm2_flushcontext -t && tpm2_load -Q -C o.ctx -u k.pub -r k.priv -c k.ctx && tpm2_flushcontext -t && tpm2_evictcontrol -Q "
                         "-C o -c k.ctx 0x81000007 && tpm2_flushcontext -t && tpm2_evictcontrol -Q -C o -c o.ctx 0x81000005 && tpm2_flushcontext -t'");
  g_autoptr (GArray) objects = list (link);
  g_assert_cmpuint (objects->len, ==, 6);

  const TpmObject *key = find (objects, TEST_HANDLE);
  g_assert_cmpint (key->kind, ==, TPM_OBJECT_PERSISTENT);
  g_assert_cmpint (key->purpose, ==, TPM_PURPOSE_DEVICE);
  g_assert_cmpmem (key->name, key->name_size, public.name, TPM_NAME_SIZE);
  g_assert_false (key->is_storage_root);
  g_assert_true (find (objects, TEST_PARENT_HANDLE)->is_storage_root);
  g_assert_false (find (objects, 0x81010001)->is_storage_root);
  g_assert_false (find (objects, 0x81000005)->is_storage_root);
  g_assert_cmpint (find (objects, 0x81000007)->purpose, ==, TPM_PURPOSE_FOREIGN);
  assert_hierarchy (objects, TEST_HANDLE, TPM_HIERARCHY_OWNER);
  assert_hierarchy (objects, TEST_PARENT_HANDLE, TPM_HIERARCHY_OWNER);
  assert_hierarchy (objects, 0x81000005, TPM_HIERARCHY_OWNER);
  assert_hierarchy (objects, 0x81000007, TPM_HIERARCHY_OWNER);
  assert_hierarchy (objects, 0x81010001, TPM_HIERARCHY_ENDORSEMENT);
  assert_hierarchy (objects, 0x81800001, TPM_HIERARCHY_PLATFORM);
}

/* At a handle that looks like the owner's. */
static void
the_hierarchy_is_not_guessed_from_the_handle (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);

  test_swtpm_run (swtpm, "sh -c 'tpm2_createprimary -Q -C e -c e.ctx && tpm2_evictcontrol -Q -C o -c e.ctx 0x81000003 && tpm2_flushcontext -t && tpm2_create -Q -C e.ctx "
                         "-G ecc -u k.pub -r k.priv && tpm2_flushcontext -t && tpm2_load -Q -C e.ctx -u k.pub -r k.priv -c k.ctx && tpm2_flushcontext -t && "
                         "tpm2_evictcontrol -Q -C o -c k.ctx 0x81000002 && tpm2_flushcontext -t'");
  g_autoptr (GArray) objects = list (link);
  assert_hierarchy (objects, 0x81000003, TPM_HIERARCHY_ENDORSEMENT);
  /* Its parent is the one before, though it is listed behind it. */
  assert_hierarchy (objects, 0x81000002, TPM_HIERARCHY_ENDORSEMENT);
}

static void
indices_are_listed_with_what_they_are (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;

  test_tpm_ensure (link);
  (void) tpm_nv_define_write_once (link, TEST_INDEX, 13, &error);
  g_assert_no_error (error);
  test_swtpm_run (swtpm, "tpm2_nvdefine -Q -C p -s 5 -a 'ppread|ppwrite|ownerread|platformcreate' 0x01400001");
  test_swtpm_run (swtpm, "tpm2_nvdefine -Q -C o -s 8 -a 'ownerread|ownerwrite|authread|no_da' 0x01805403");
  g_autoptr (GBytes) bytes = g_bytes_new_static ("token", 5);
  (void) tpm_nv_store (link, 0x01805404, &(TpmNvStore){ .kind = TPM_NV_RESET_TOKENS, .bytes = bytes }, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (GArray) objects = list (link);
  g_assert_cmpuint (objects->len, ==, 4);
  g_assert_cmpint (find (objects, TEST_INDEX)->nv_kind, ==, TPM_NV_OTHER);
  g_assert_cmpint (find (objects, 0x01805403)->nv_kind, ==, TPM_NV_OTHER);
  g_assert_cmpint (find (objects, 0x01805404)->nv_kind, ==, TPM_NV_RESET_TOKENS);
  g_assert_cmpuint (find (objects, TEST_INDEX)->size, ==, 13);
  g_assert_cmpuint (find (objects, TEST_INDEX)->name_size, ==, TPM_NAME_SIZE);
  g_assert_false (find (objects, TEST_INDEX)->platform_created);
  assert_hierarchy (objects, TEST_INDEX, TPM_HIERARCHY_OWNER);
  g_assert_true (find (objects, 0x01400001)->platform_created);
  assert_hierarchy (objects, 0x01400001, TPM_HIERARCHY_PLATFORM);
}

static void
what_others_left_is_listed (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_password_link (test_swtpm_tcti (swtpm), FALSE);

  /* The context is saved by the tools, and the object stays for lack of a resource manager. */
  test_swtpm_run (swtpm, "tpm2_createprimary -Q -C o -c o.ctx");
  test_swtpm_run (swtpm, "tpm2_startauthsession -Q -S s.ctx");
  g_autoptr (GArray) objects = list (link);
  g_assert_cmpuint (objects->len, ==, 2);
  g_assert_cmpint (g_array_index (objects, TpmObject, 0).kind, ==, TPM_OBJECT_TRANSIENT);
  g_assert_cmpint (g_array_index (objects, TpmObject, 1).kind, ==, TPM_OBJECT_SESSION);
  test_swtpm_run (swtpm, "tpm2_flushcontext -t");
  test_swtpm_run (swtpm, "sh -c 'tpm2_flushcontext -l; tpm2_flushcontext -s'");
}

static void
the_commands_are_as_many_as_promised (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  guint64 before;

  test_tpm_ensure (link);
  before = test_tpm_status (link).commands;
  g_array_unref (list (link));
  g_assert_cmpuint (test_commands (link, &before), ==, 5);
  (void) make_keys (link);
  before = test_tpm_status (link).commands;
  g_array_unref (list (link));
  g_assert_cmpuint (test_commands (link, &before), ==, 7);
}

static void
only_a_key_of_ours_is_evicted (void)
{
  g_autoptr (TestSwtpm) swtpm = test_swtpm_new ();
  g_autoptr (TpmLink) link = test_tpm_link (swtpm);
  g_autoptr (GError) error = NULL;

  (void) make_keys (link);
  g_assert_false (tpm_key_evict (link, TEST_HANDLE, TPM_PURPOSE_CREDENTIALS, &error));
  assert_tpmid_error (error, TPMID_ERROR_HANDLE_TAKEN);
  g_clear_error (&error);
  g_assert_false (tpm_key_evict (link, TEST_PARENT_HANDLE, TPM_PURPOSE_DEVICE, &error));
  assert_tpmid_error (error, TPMID_ERROR_HANDLE_TAKEN);
  g_clear_error (&error);
  g_assert_false (tpm_parent_evict (link, &(TpmParent){ .handle = TEST_HANDLE }, &error));
  assert_tpmid_error (error, TPMID_ERROR_HANDLE_TAKEN);
  g_clear_error (&error);
  /* A storage root key, but not of the Name that is on record. */
  g_assert_false (tpm_parent_evict (link, &(TpmParent){ .handle = TEST_PARENT_HANDLE, .is_pinned = TRUE }, &error));
  assert_tpmid_error (error, TPMID_ERROR_HANDLE_TAKEN);
  g_clear_error (&error);
  g_autoptr (GArray) objects = list (link);
  g_assert_cmpuint (objects->len, ==, 2);

  /* Twice is once. */
  for (guint i = 0; i < 2; i++)
    {
      (void) tpm_key_evict (link, TEST_HANDLE, TPM_PURPOSE_DEVICE, &error);
      g_assert_no_error (error);
      (void) tpm_parent_evict (link, &test_parent, &error);
      g_assert_no_error (error);
    }
  g_autoptr (GArray) nothing = list (link);
  g_assert_cmpuint (nothing->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tpm/inventory/keys-are-listed-with-what-they-are", keys_are_listed_with_what_they_are);
  g_test_add_func ("/tpm/inventory/the-hierarchy-is-not-guessed-from-the-handle", the_hierarchy_is_not_guessed_from_the_handle);
  g_test_add_func ("/tpm/inventory/indices-are-listed-with-what-they-are", indices_are_listed_with_what_they_are);
  g_test_add_func ("/tpm/inventory/what-others-left-is-listed", what_others_left_is_listed);
  g_test_add_func ("/tpm/inventory/the-commands-are-as-many-as-promised", the_commands_are_as_many_as_promised);
  g_test_add_func ("/tpm/inventory/only-a-key-of-ours-is-evicted", only_a_key_of_ours_is_evicted);
  return g_test_run ();
}
