/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "test-bus.h"

#include <gio/gio.h>

#define FAKE_DEVICE_LOOKS_MAX 8

/*
 * FakeDevice: a tpmidd that says what it is told, on a bus of its own, behind the real interfaces. What it says is set before a
 * call and looked at after it: only during a call does its thread touch it.
 */
typedef struct FakeDevice
{
  Bus bus;
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  GDBusNodeInfo *device, *key;
  GDBusConnection *connection;

  const char *statuses[FAKE_DEVICE_LOOKS_MAX]; /* GVariant text of each look; the last one stays */
  guint looks;
  const char *handles; /* GVariant text of what ListHandles answers */
  const char *error;   /* D-Bus error name: in place of an answer, but to GetStatus */
  gboolean is_leaving; /* leaves the bus at the next call that is no look, without an answer; it is back after 300 ms */
  gboolean is_staying; /* away, once it has left */
  gboolean is_begun;   /* there is a key device-next */
  GString *calls;      /* each call but GetStatus: method and arguments, a line each */
} FakeDevice;

/* fake_device_interfaces: (transfer none): folder of the interface files; before the first test */
void fake_device_interfaces (const char *folder);

/* fake_device_set_up, fake_device_tear_down: of a fixture; @data is not looked at */
void fake_device_set_up (FakeDevice *self, gconstpointer data);
void fake_device_tear_down (FakeDevice *self, gconstpointer data);

/* fake_device_set_statuses: (nullable) each; what GetStatus answers, from the first look on */
void fake_device_set_statuses (FakeDevice *self, const char *first, const char *second, const char *third, const char *fourth);
