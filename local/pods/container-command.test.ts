import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { formatContainerCommand, isPrivatePath, normalizeTarget } from "./container-command.ts";
import { containerEnvironment, expandVariables } from "./container-environment.ts";
import { imageName, mountedFile, resolveImage } from "./images.ts";
import { validatePodManifest } from "./pod-manifest.ts";

describe("a container's command line", () => {
  const command = formatContainerCommand({
    namespace: "entente-1s2-pod1",
    stage: "/run/entente-local/1s2/stage",
    mounts: [
      { source: "/tmp/it's", target: "/var/run/secrets/tokens", isFile: false, isReadOnly: true },
      { source: "/tmp/hosts", target: "/etc/hosts", isFile: true, isReadOnly: false },
    ],
    uid: 1337,
    gid: 1337,
    groups: [5, 6],
    capabilities: ["NET_ADMIN"],
    ownerPid: 77,
    program: ["node", "main.ts", "a b"],
  });
  const script = command[6] ?? "";

  it("enters the pod's network and keeps only the requested capabilities", () => {
    expect(command.slice(0, 6)).toEqual(["ip", "netns", "exec", "entente-1s2-pod1", "sh", "-c"]);
    expect(command).toEqual(expect.arrayContaining(["--reuid=1337", "--regid=1337", "--groups=5,6"]));
    expect(command).toContain("--bounding-set=-all,+net_admin");
    expect(command).toContain("--no-new-privs");
    expect(command.slice(-3)).toEqual(["node", "main.ts", "a b"]);
  });

  it("is killed with its owner, and does not start if the owner has exited", () => {
    const end = command.slice(command.indexOf("--pdeathsig=KILL"));
    expect(end).toEqual(["--pdeathsig=KILL", "--", "sh", "-c", end[4], "77", "node", "main.ts", "a b"]);
    const run = (owner: number) =>
      spawnSync("sh", ["-c", end[4] ?? "", String(owner), "echo", "runs"], { encoding: "utf8" });
    expect(run(process.pid).stdout).toBe("runs\n");
    expect(run(1).stdout).toBe("");
  });

  it("mounts in the private /run and on existing paths, with any characters in a path", () => {
    expect(script).toContain(`mkdir -p "$stage"'/run/secrets/tokens'`);
    expect(script).toContain(`mount --bind '/tmp/it'\\''s' "$stage"'/run/secrets/tokens'`);
    expect(script).toContain(`mount -o remount,bind,ro "$stage"'/run/secrets/tokens'`);
    expect(script).toContain("mount --bind '/tmp/hosts' '/etc/hosts'");
    expect(script).not.toContain("mkdir -p '/etc");
  });

  it("mounts nested mounts after their parents, and hides the sources last", () => {
    const nested = formatContainerCommand({
      ...{ namespace: "n", stage: "/s", uid: 1, gid: 1, groups: [], capabilities: [], ownerPid: 1, program: ["true"] },
      mounts: ["/tmp/a/b", "/tmp", "/tmp/a"].map((target) => ({
        ...{ source: `/from${target}`, target, isFile: false, isReadOnly: false },
      })),
    });
    expect(nested).toContain("--clear-groups");
    const lines = nested[6]?.split("\n");
    const binds = lines?.filter((line) => line.startsWith("mount --bind"));
    expect(binds?.map((line) => line.split("'")[1])).toEqual(["/from/tmp", "/from/tmp/a", "/from/tmp/a/b"]);
    expect(lines?.slice(-3)).toEqual([
      'mount --rbind "$stage/tmp" /tmp',
      'mount --rbind "$stage/run" /run',
      'exec "$@"',
    ]);
  });

  it.each([
    { path: "/run/a", normal: "/run/a", isPrivate: true },
    { path: "/var/run/secrets/", normal: "/run/secrets", isPrivate: true },
    { path: "/tmp", normal: "/tmp", isPrivate: true },
    { path: "/tmp/../etc", normal: "/etc", isPrivate: false },
    { path: "/runner", normal: "/runner", isPrivate: false },
    { path: "/var/runner", normal: "/var/runner", isPrivate: false },
  ])("$path is $normal, private: $isPrivate", ({ path, normal, isPrivate }) => {
    expect([normalizeTarget(path), isPrivatePath(path)]).toEqual([normal, isPrivate]);
  });
});

describe("a container's environment", () => {
  const pod = validatePodManifest(
    {
      metadata: { name: "hello-1", namespace: "ns1", labels: { app: "hello" } },
      spec: {
        serviceAccountName: "web",
        containers: [
          {
            name: "c",
            image: "x",
            env: [
              { name: "POD_NAME", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
              { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
              { name: "APP", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
              { name: "ALL", value: "$(POD_NAME)/$(APP) $$(APP) $(NONE)" },
            ],
          },
        ],
      },
    },
    "Pod/hello-1.ns1",
  );

  it("is resolved from the pod's fields and earlier variables", () => {
    const [container] = pod.spec.containers;
    if (container === undefined) throw new Error("the pod has a container");
    expect(
      containerEnvironment(container, { manifest: pod, ip: "10.244.0.7", serviceVariables: { DB_PORT: "1" } }),
    ).toMatchObject({
      POD_NAME: "hello-1",
      IP: "10.244.0.7",
      APP: "hello",
      ALL: "hello-1/hello $(APP) $(NONE)",
    });
  });

  it("does not treat inherited properties as variables", () => {
    expect(expandVariables("$(constructor)", {})).toBe("$(constructor)");
  });
});

describe("images", () => {
  it.each([
    ["wardviaene/http-echo", "wardviaene/http-echo"],
    ["entente:0.1.0", "entente"],
    ["registry.example:5000/team/app:v1", "team/app"],
    ["app@sha256:abc", "app"],
  ])("%s is %s", (image, name) => {
    expect(imageName(image)).toBe(name);
  });

  it("without a program are refused with the option that adds one", () => {
    expect(() => resolveImage("nginx:1", { entente: "cli/main.ts" })).toThrow("--image nginx=FILE.ts");
  });

  it("may have a tag, in the table and in the manifest", () => {
    expect(resolveImage("docker.io/team/app:2", { "team/app:1": "a.ts" })).toBe("a.ts");
  });

  it.each([
    { name: "of the project", file: "cli/main.ts", path: "/run/p/cli/main.ts", source: undefined },
    { name: "of the project, absolute", file: "/src/a.ts", path: "/run/p/a.ts", source: undefined },
    { name: "outside the project", file: "/src2/a.ts", path: "/run/entente/files/src2/a.ts", source: "/src2" },
    { name: "of the machine", file: "/root/n/node", path: "/run/entente/files/root/n/node", source: "/root/n" },
  ])("a file $name is available in the container", ({ file, path, source }) => {
    const mounted = mountedFile(file, { source: "/src", target: "/run/p" }, "with its folder");
    expect([mounted.path, mounted.mount?.source]).toEqual([path, source]);
  });

  it("a program that needs no other file is mounted alone, whatever its folder's permissions are", () => {
    const mounted = mountedFile("/root/n/node", { source: "/src", target: "/run/p" }, "alone");
    const path = "/run/entente/files/root/n/node";
    expect(mounted).toEqual({ path, mount: { source: "/root/n/node", target: path, isFile: true } });
  });
});
