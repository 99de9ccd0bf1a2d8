import { describe, expect, it } from "vitest";
import { findDirectoryFault, findKeyFault, findParentFault } from "./file-protection.ts";

const path = "/etc/cacerts";
const proxy = { uid: 1337 };
const root = { uid: 0 };

describe("a directory", () => {
  it.each([
    { name: "of ours alone", protection: "private", mode: 0o40700, fix: undefined },
    { name: "that a group may read, among private ones", protection: "private", mode: 0o40750, fix: "chmod 700" },
    { name: "of a mount", protection: "mounted", mode: 0o40755, fix: undefined },
    { name: "of a mount that anyone may write to", protection: "mounted", mode: 0o40777, fix: "chmod go-w" },
    {
      name: "of the kubelet: sticky, so nobody can replace a file",
      protection: "mounted",
      mode: 0o41777,
      fix: undefined,
    },
  ] as const)("$name", ({ protection, mode, fix }) => {
    const fault = findDirectoryFault({ path, mode, uid: 0 }, protection);
    if (fix === undefined) expect(fault).toBeUndefined();
    else expect(fault?.message).toContain(fix);
  });
});

describe("a key file", () => {
  it.each([
    { name: "of ours alone", protection: "private", mode: 0o100600, uid: 1337, fix: undefined },
    {
      name: "of another user, put where ours should be",
      protection: "private",
      mode: 0o100600,
      uid: 1000,
      fix: "remove it",
    },
    { name: "that others may read", protection: "private", mode: 0o100604, uid: 1337, fix: "chmod 600" },
    {
      name: "of a mount for our group (defaultMode 0400 with fsGroup)",
      protection: "mounted",
      mode: 0o100440,
      uid: 0,
      fix: undefined,
    },
    {
      name: "of a folder that everyone may read",
      protection: "mounted",
      mode: 0o100644,
      uid: 0,
      fix: "defaultMode: 0400",
    },
    {
      name: "of a Secret's volume with the kubelet's default",
      protection: "secret_volume",
      mode: 0o100644,
      uid: 0,
      fix: undefined,
    },
  ] as const)("$name", ({ protection, mode, uid, fix }) => {
    const fault = findKeyFault({ path, mode, uid }, protection, proxy);
    if (fix === undefined) expect(fault).toBeUndefined();
    else expect(fault?.message).toContain(fix);
  });
});

describe("the parent of a directory of ours", () => {
  it.each([
    { name: "ours and closed", reader: proxy, uid: 1337, mode: 0o40700, accepted: true },
    { name: "ours and open: it can be closed", reader: proxy, uid: 1337, mode: 0o40777, accepted: false },
    { name: "an emptyDir, which is root's", reader: proxy, uid: 0, mode: 0o42777, accepted: true },
    { name: "an open one when root runs: root can close it", reader: root, uid: 1000, mode: 0o42777, accepted: false },
  ])("$name", ({ reader, uid, mode, accepted }) => {
    expect(findParentFault({ path, mode, uid }, reader) === undefined).toBe(accepted);
  });
});
