/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-identity-device.h"

#include "identity-active.h"

#include <glib/gstdio.h>

static IdentityBackend *
device_key (TestDevice *device, TpmLink *link)
{
  g_autoptr (IdentityFacts) facts = identity_facts_gather (link, device->config, IDENTITY_LOOK_AGAIN);
  IdentityBackend *key = facts->tpm_key != NULL ? facts->tpm_key : facts->software_key;

  g_assert_nonnull (key);
  return identity_backend_ref (key);
}

static char *
certify (TestDevice *device, guint depth, int broken, int from_day)
{
  g_autoptr (TpmLink) link = test_device_link (device);
  g_autoptr (IdentityBackend) key = device_key (device, link);

  return test_device_certify (key, depth, broken, from_day);
}

static gboolean
install (TestDevice *device, const char *pem, GError **error)
{
  g_autoptr (TpmLink) link = test_device_link (device);
  g_autoptr (IdentityBackend) key = device_key (device, link);

  return identity_renewal_install (device->config, key, pem, error);
}

static void
install_well (TestDevice *device, const char *pem)
{
  g_autoptr (GError) error = NULL;

  (void) install (device, pem, &error);
  g_assert_no_error (error);
}

static gboolean
regenerate (TestDevice *device, TpmLink *link, GError **error)
{
  g_autoptr (IdentityBackend) key = device_key (device, link);

  return identity_renewal_regenerate (link, device->config, key, TEST_SERIAL, error);
}

static TestDevice *
new_device (void)
{
  TestDevice *device = test_device_new ();

  test_device_provision (device, TRUE);
  return device;
}

static char *
certificate_of (TestDevice *device)
{
  return test_device_read (device->config->certificate_path);
}

/* Returns: (transfer full): every certificate in the archive */
static GPtrArray *
list_archive (TestDevice *device)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *archive = test_device_path (device, "archive");
  g_autoptr (GDir) dir = g_dir_open (archive, 0, NULL);
  const char *stamp;

  while (dir != NULL && (stamp = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (archive, stamp, "device.cert.pem", NULL);
      char *text = test_device_read (path);
      if (text != NULL)
        g_ptr_array_add (found, text);
    }
  return g_steal_pointer (&found);
}

static gboolean
is_archived (TestDevice *device, const char *pem)
{
  g_autoptr (GPtrArray) archive = list_archive (device);

  return g_ptr_array_find_with_equal_func (archive, pem, g_str_equal, NULL);
}

static void
assert_archive (TestDevice *device, guint n)
{
  g_autoptr (GPtrArray) archive = list_archive (device);

  g_assert_cmpuint (archive->len, ==, n);
}

static void
assert_identity (TestDevice *device, const char *reference, const char *certificate)
{
  g_autofree char *found = test_device_identify (device, 11);
  g_autofree char *pem = certificate_of (device);

  g_assert_cmpstr (found, ==, reference);
  g_assert_cmpstr (pem, ==, certificate);
}

static void
installs_a_chain_and_keeps_the_old_certificate (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *reference = test_device_identify (device, 11);
  g_autofree char *old = certificate_of (device);
  g_autofree char *pem = certify (device, 4, -1, -1);
  g_autofree char *with_text = g_strconcat ("issued for you\n", pem, "\n", NULL);

  install_well (device, with_text);
  assert_identity (device, reference, pem);
  g_assert_true (is_archived (device, old));
  assert_archive (device, 1);
}

static void
the_same_certificate_again_is_not_archived (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *reference = test_device_identify (device, 11);
  g_autofree char *old = certificate_of (device);

  install_well (device, old);
  assert_identity (device, reference, old);
  assert_archive (device, 0);
}

/* More than one in a second, or by a clock that starts anew at each boot. */
static void
no_archived_certificate_is_replaced (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *first = certificate_of (device);

  for (guint i = 0; i < 4; i++)
    {
      g_autofree char *pem = certify (device, 1, -1, -1);
      install_well (device, pem);
    }
  assert_archive (device, 4);
  g_assert_true (is_archived (device, first));
}

static void
a_certificate_whose_time_is_not_now_is_accepted (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *reference = test_device_identify (device, 11);
  g_autofree char *expired = certify (device, 2, -1, -100);
  g_autofree char *early = certify (device, 2, -1, 100);

  install_well (device, expired);
  assert_identity (device, reference, expired);
  install_well (device, early);
  assert_identity (device, reference, early);
}

static void
refuse (TestDevice *device, const char *pem, TpmidError code, const char *words)
{
  g_autofree char *reference = test_device_identify (device, 11);
  g_autofree char *before = certificate_of (device);
  g_autoptr (GError) error = NULL;

  g_assert_false (install (device, pem, &error));
  assert_tpmid_error (error, (int) code);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, words));
  assert_identity (device, reference, before);
  assert_archive (device, 0);
}

static void
refuses_what_does_not_fit (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autoptr (TestDevice) other = new_device ();
  g_autofree char *reference = test_device_identify (device, 11);
  g_autofree char *foreign = certificate_of (other);
  g_autofree char *foreign_reference = test_device_identify (other, 11);
  g_autofree char *broken = certify (device, 4, 2, -1);
  g_autofree char *leaf = certify (device, 1, -1, -1);
  g_autofree char *unrelated = g_strconcat (leaf, foreign, NULL);

  refuse (device, foreign, TPMID_ERROR_CERTIFICATE_MISMATCH, reference);
  refuse (device, foreign, TPMID_ERROR_CERTIFICATE_MISMATCH, foreign_reference);
  refuse (device, broken, TPMID_ERROR_CERTIFICATE_MISMATCH, "certificate 3 of the chain is not signed by certificate 4");
  refuse (device, unrelated, TPMID_ERROR_CERTIFICATE_MISMATCH, "certificate 1 of the chain is not signed by certificate 2");
}

static void
refuses_what_is_no_chain_or_too_long (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *longest = certify (device, 10, -1, -1);
  g_autofree char *too_long = certify (device, 11, -1, -1);
  g_autofree char *blanks = g_strnfill (IDENTITY_CERTIFICATE_LIMIT, '\n');
  g_autofree char *too_large = g_strconcat (longest, blanks, NULL);
  g_autofree char *cut = g_strndup (longest, strlen (longest) - 40);

  refuse (device, "", TPMID_ERROR_INVALID_ARGUMENT, "no certificate");
  refuse (device, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", TPMID_ERROR_INVALID_ARGUMENT, "cannot be decoded");
  refuse (device, cut, TPMID_ERROR_INVALID_ARGUMENT, "certificate 10");
  refuse (device, too_long, TPMID_ERROR_INVALID_ARGUMENT, "at most 10 certificates");
  refuse (device, too_large, TPMID_ERROR_INVALID_ARGUMENT, "at most 65536 bytes");
  install_well (device, longest);
}

static void
regenerates_with_one_signature (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *reference = test_device_identify (device, 11);
  g_autofree char *old = certificate_of (device);
  g_autoptr (TpmLink) link = test_device_link (device);
  g_autoptr (IdentityBackend) key = device_key (device, link);
  g_autoptr (GError) error = NULL;
  guint64 before = test_tpm_status (link).commands;

  (void) identity_renewal_regenerate (link, device->config, key, TEST_SERIAL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (test_tpm_status (link).commands - before, ==, 1);
  g_clear_pointer (&link, tpm_link_free);
  g_autofree char *new = certificate_of (device);
  g_assert_cmpstr (new, !=, old);
  assert_identity (device, reference, new);
  g_assert_true (is_archived (device, old));
}

static void
works_for_a_software_key (void)
{
  g_autoptr (TestDevice) device = test_device_new ();

  test_device_provision_software (device);
  g_autofree char *reference = test_device_identify (device, 7);
  g_autofree char *pem = certify (device, 2, -1, -1);
  install_well (device, pem);
  test_device_run (device, regenerate);
  g_autofree char *after = test_device_identify (device, 7);
  g_assert_cmpstr (after, ==, reference);
  g_assert_true (is_archived (device, pem));
  assert_archive (device, 2);
}

static void
a_device_without_a_certificate_gets_one (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *reference = test_device_identify (device, 11);
  g_autofree char *pem = certify (device, 2, -1, -1);

  g_assert_cmpint (g_remove (device->config->certificate_path), ==, 0);
  install_well (device, pem);
  assert_identity (device, reference, pem);
}

static void
a_folder_that_is_not_there_changes_nothing (void)
{
  g_autoptr (TestDevice) device = new_device ();
  g_autofree char *reference = test_device_identify (device, 11);
  g_autofree char *old = certificate_of (device);
  g_autofree char *pem = certify (device, 2, -1, -1);
  g_autofree char *folder = g_path_get_dirname (device->config->certificate_path);
  g_autofree char *away = g_strconcat (folder, ".away", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_rename (folder, away), ==, 0);
  g_assert_false (install (device, pem, &error));
  assert_tpmid_error (error, TPMID_ERROR_STORAGE);
  g_assert_cmpint (g_rename (away, folder), ==, 0);
  assert_identity (device, reference, old);
  assert_archive (device, 0);
}

/* There is no journal for it: whatever lies in the place of the certificate is the old one or the new one. */
static void
survives_kill_at_each_step (void)
{
  gboolean done = FALSE;
  guint step;

  for (step = 1; !done; step++)
    {
      g_autoptr (TestDevice) device = new_device ();
      g_autofree char *old = certificate_of (device);
      done = test_device_run_killed (device, regenerate, step);
      g_autofree char *now = certificate_of (device);
      g_assert_cmpuint (test_device_row (device), ==, 11);
      if (g_str_equal (now, old))
        g_assert_false (done);
      else
        g_assert_true (is_archived (device, old));
      test_device_prepare (device, regenerate);
      g_free (test_device_identify (device, 11));
      g_assert_true (is_archived (device, old));
    }
  g_assert_cmpuint (step, >, 10);
}

int
main (int argc, char **argv)
{
  test_device_init (&argc, &argv);
  g_test_add_func ("/identity/renewal/installs-a-chain-and-keeps-the-old-certificate", installs_a_chain_and_keeps_the_old_certificate);
  g_test_add_func ("/identity/renewal/the-same-certificate-again-is-not-archived", the_same_certificate_again_is_not_archived);
  g_test_add_func ("/identity/renewal/no-archived-certificate-is-replaced", no_archived_certificate_is_replaced);
  g_test_add_func ("/identity/renewal/a-certificate-whose-time-is-not-now-is-accepted", a_certificate_whose_time_is_not_now_is_accepted);
  g_test_add_func ("/identity/renewal/refuses-what-does-not-fit", refuses_what_does_not_fit);
  g_test_add_func ("/identity/renewal/refuses-what-is-no-chain-or-too-long", refuses_what_is_no_chain_or_too_long);
  g_test_add_func ("/identity/renewal/regenerates-with-one-signature", regenerates_with_one_signature);
  g_test_add_func ("/identity/renewal/works-for-a-software-key", works_for_a_software_key);
  g_test_add_func ("/identity/renewal/a-device-without-a-certificate-gets-one", a_device_without_a_certificate_gets_one);
  g_test_add_func ("/identity/renewal/a-folder-that-is-not-there-changes-nothing", a_folder_that_is_not_there_changes_nothing);
  g_test_add_func ("/identity/renewal/survives-kill-at-each-step", survives_kill_at_each_step);
  return g_test_run ();
}
