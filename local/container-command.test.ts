import { describe, expect, it } from "vitest";
import { canBeMountPoint, formatContainerCommand } from "./container-command.ts";
import { containerEnvironment, expandVariables } from "./container-environment.ts";
import { imageName, mountedFile, resolveImage } from "./images.ts";
import { validatePodManifest } from "./pod-manifest.ts";

describe("a container's command line", () => {
  const command = formatContainerCommand({
    namespace: "entente-x-pod1",
    mounts: [
      { source: "/tmp/it's", target: "/var/run/secrets/tokens", isFile: false, isReadOnly: true },
      { source: "/tmp/hosts", target: "/etc/hosts", isFile: true, isReadOnly: false },
    ],
    uid: 1337,
    gid: 1337,
    capabilities: ["NET_ADMIN"],
    program: ["node", "main.ts", "a b"],
  });
  const script = command[6] ?? "";

  it("enters the pod's network and drops every right but those asked for", () => {
    expect(command.slice(0, 6)).toEqual(["ip", "netns", "exec", "entente-x-pod1", "sh", "-c"]);
    expect(command).toContain("--reuid=1337");
    expect(command).toContain("--bounding-set=-all,+net_admin");
    expect(command).toContain("--no-new-privs");
    expect(command.slice(-3)).toEqual(["node", "main.ts", "a b"]);
  });

  it("mounts under /run in memory, over what exists elsewhere, whatever characters a path has", () => {
    expect(script).toContain(`mount --bind '/tmp/it'\\''s' '/var/run/secrets/tokens'`);
    expect(script).toContain("mount -o remount,bind,ro '/var/run/secrets/tokens'");
    expect(script).not.toContain("mkdir -p '/etc/hosts'");
    expect([canBeMountPoint("/run/a"), canBeMountPoint("/var/run/a"), canBeMountPoint("/opt/a")]).toEqual([
      true,
      true,
      false,
    ]);
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
    expect(containerEnvironment(container, pod, "10.244.0.7")).toMatchObject({
      POD_NAME: "hello-1",
      IP: "10.244.0.7",
      APP: "hello",
      ALL: "hello-1/hello $(APP) $(NONE)",
    });
  });

  it("does not take what every object has for a variable", () => {
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

  it("that nothing stands for are refused with the option that names one", () => {
    expect(() => resolveImage("nginx:1", { entente: "cli/main.ts" })).toThrow("--image nginx=FILE.ts");
  });

  it("lie where the project is mounted", () => {
    expect(mountedFile("cli/main.ts", "/src", "/run/p")).toBe("/run/p/cli/main.ts");
    expect(mountedFile("/src/a.ts", "/src", "/run/p")).toBe("/run/p/a.ts");
    expect(mountedFile("/usr/bin/node", "/src", "/run/p")).toBe("/usr/bin/node");
  });
});
