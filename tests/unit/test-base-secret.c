/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/base-secret.h"

#include <string.h>

static void
test_holds_a_copy_of_all_bytes (void)
{
  guint8 bytes[] = { 0x00, 0xff, 'a', 0x00, 0x7f };
  const guint8 expected[] = { 0x00, 0xff, 'a', 0x00, 0x7f };
  g_autoptr (BaseSecret) secret = base_secret_new (bytes, sizeof bytes);
  gsize size = 0;

  memset (bytes, 0, sizeof bytes); /* as the caller shall */
  const guint8 *data = base_secret_peek (secret, &size);
  g_assert_cmpmem (data, size, expected, sizeof expected);
}

static void
test_is_terminated_beyond_its_size (void)
{
  const char text[] = { 's', 'e', 'c', 'r', 'e', 't' };
  g_autoptr (BaseSecret) secret = base_secret_new (text, sizeof text);
  gsize size = 0;

  g_assert_cmpstr ((const char *) base_secret_peek (secret, &size), ==, "secret");
  g_assert_cmpuint (size, ==, 6);
}

static void
test_may_be_empty (void)
{
  g_autoptr (BaseSecret) secret = base_secret_new (NULL, 0);
  gsize size = 1;

  g_assert_cmpstr ((const char *) base_secret_peek (secret, &size), ==, "");
  g_assert_cmpuint (size, ==, 0);
}

static void
test_lives_until_the_last_reference_goes (void)
{
  BaseSecret *first = base_secret_new ("secret", 6);
  g_autoptr (BaseSecret) second = base_secret_ref (first);
  gsize size = 0;

  g_assert_true (first == second);
  base_secret_unref (first);
  g_assert_cmpmem (base_secret_peek (second, &size), 6, "secret", 6);
  g_assert_cmpuint (size, ==, 6);
}

static void
test_nothing_is_released_without_harm (void)
{
  g_autoptr (BaseSecret) none = NULL;

  base_secret_unref (none);
}

static gpointer
take_and_release (gpointer data)
{
  for (int i = 0; i < 20000; i++)
    base_secret_unref (base_secret_ref (data));
  return NULL;
}

/* A count that is not atomic frees too early (a crash, or a report by ASan) or ends with another content. */
static void
test_references_are_counted_across_threads (void)
{
  g_autoptr (BaseSecret) secret = base_secret_new ("secret", 6);
  GThread *threads[4];
  gsize size = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("references", take_and_release, secret);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpmem (base_secret_peek (secret, &size), 6, "secret", 6);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/base/secret/holds-a-copy-of-all-bytes", test_holds_a_copy_of_all_bytes);
  g_test_add_func ("/base/secret/is-terminated-beyond-its-size", test_is_terminated_beyond_its_size);
  g_test_add_func ("/base/secret/may-be-empty", test_may_be_empty);
  g_test_add_func ("/base/secret/lives-until-the-last-reference-goes", test_lives_until_the_last_reference_goes);
  g_test_add_func ("/base/secret/nothing-is-released-without-harm", test_nothing_is_released_without_harm);
  g_test_add_func ("/base/secret/references-are-counted-across-threads", test_references_are_counted_across_threads);
  return g_test_run ();
}
