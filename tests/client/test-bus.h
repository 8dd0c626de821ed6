/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Bus: a private bus of the test's user, without any tpmidd */
typedef struct Bus
{
  char *folder;
  char *address;
  GPid pid;
} Bus;

/* For g_test_add(): the bus runs. */
void bus_set_up (Bus *bus, gconstpointer data);
void bus_tear_down (Bus *bus, gconstpointer data);

/* At the same address; returns when it listens. */
void bus_start (Bus *bus);
/* As a crash would. */
void bus_stop (Bus *bus);

/* For g_spawn_async(): the process goes with the test program, also when an assertion fails. */
void die_with_parent (gpointer data);
