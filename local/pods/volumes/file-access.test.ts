import { describe, expect, it } from "vitest";
import { type PodManifest, validatePodManifest } from "../pod-manifest.ts";
import { decideFileAccess } from "./file-access.ts";

interface Case {
  readonly name: string;
  /** The users of the containers that mount the volume; `undefined` has no runAsUser. */
  readonly users: readonly (number | undefined)[];
  readonly fsGroup?: number;
  readonly defaultMode?: number;
  readonly confidential: string;
  readonly open: string;
}

function podOf({ users, fsGroup, defaultMode }: Case): PodManifest {
  const containers = users.map((runAsUser, index) => ({
    ...{ name: `c${index}`, image: "x", volumeMounts: [{ name: "v", mountPath: "/run/v" }] },
    securityContext: { runAsUser },
  }));
  const other = { name: "other", image: "x", securityContext: { runAsUser: 1 } };
  return validatePodManifest(
    {
      metadata: { name: "p", namespace: "n" },
      spec: {
        initContainers: [other],
        containers: [other, ...containers],
        volumes: [{ name: "v", secret: { secretName: "s", defaultMode } }],
        securityContext: { runAsUser: 7, fsGroup },
      },
    },
    "the pod",
  );
}

describe("the files of a volume", () => {
  const cases: readonly Case[] = [
    { name: "one user", users: [5], confidential: "5:0 600", open: "0:0 644" },
    { name: "one user twice", users: [5, 5], confidential: "5:0 600", open: "0:0 644" },
    { name: "the pod's own user", users: [undefined], confidential: "7:0 600", open: "0:0 644" },
    { name: "no container", users: [], confidential: "0:0 600", open: "0:0 644" },
    { name: "one user, narrow", users: [5], defaultMode: 0o440, confidential: "5:0 400", open: "0:0 440" },
    { name: "one user and a group", users: [5], fsGroup: 9, confidential: "5:0 600", open: "0:9 644" },
    { name: "two users and a group", users: [5, 6], fsGroup: 9, confidential: "0:9 640", open: "0:9 644" },
    {
      ...{ name: "two users and a group, narrow", users: [5, 6], fsGroup: 9, defaultMode: 0o400 },
      ...{ confidential: "0:9 440", open: "0:9 440" },
    },
    { name: "two users", users: [5, 6], confidential: "0:0 644", open: "0:0 644" },
  ];

  it.each(cases)("mounted by $name: a Secret's are $confidential, others $open", (one) => {
    const show = (kind: "confidential" | "public"): string => {
      const { uid, gid, mode } = decideFileAccess(kind, "v", podOf(one));
      return `${uid}:${gid} ${mode.toString(8)}`;
    };
    expect([show("confidential"), show("public")]).toEqual([one.confidential, one.open]);
  });
});
