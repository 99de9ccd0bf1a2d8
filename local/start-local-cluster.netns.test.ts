import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { leftoversOf } from "./system/leftovers-fixture.ts";
import { createTestFolder, findPod, type TestFolder } from "./test-cluster-fixture.ts";

const CONTAINER = "{ name: app, image: test/program, ports: [{ containerPort: 8080 }] }";

function pod(spec: string): string {
  return `apiVersion: v1\nkind: Pod\nmetadata: { name: one, namespace: here, labels: { app: one } }\nspec: ${spec}\n`;
}

let test: TestFolder;
beforeEach(() => {
  test = createTestFolder();
});
afterEach(() => {
  test.remove();
});
afterAll(() => {
  expect(leftoversOf()).toEqual([]);
});

describe("a start that fails", () => {
  it.each([
    {
      name: "a container that exits",
      spec: `{ containers: [{ name: app, image: test/program, args: [fail, its, own, words] }] }`,
      message: /container app of Pod\/one\.here exited with 3; the end of its log:\n\s+fail its own words/,
    },
    {
      name: "an init container that fails",
      spec: `{ initContainers: [{ name: first, image: test/program, args: [fail] }], containers: [${CONTAINER}] }`,
      message: /container first of Pod\/one\.here exited with 3/,
    },
    {
      name: "a pod that does not become ready",
      spec: `{ containers: [{ name: app, image: test/program, readinessProbe: { httpGet: { path: /unready, port: 8080 } } }] }`,
      limits: { readyWithinMs: 30_000 },
      message: /Pod\/one\.here was not ready after 30 s: container app: GET \S+\/unready returned 503[\s\S]+serve/,
    },
    {
      name: "an init container that never finishes",
      limits: { readyWithinMs: 30_000 },
      spec: `{ initContainers: [{ name: first, image: test/program, args: [hang] }], containers: [${CONTAINER}] }`,
      message: /Pod\/one\.here was not ready after 30 s: init container first has not finished/,
    },
    {
      name: "an image without a program",
      spec: "{ containers: [{ name: app, image: nginx }] }",
      message: /--image nginx=FILE\.ts/,
    },
    {
      name: "a mount point that does not exist on this machine",
      spec: `{ containers: [{ name: app, image: test/program, volumeMounts: [{ name: v, mountPath: /nowhere/at/all }] }], volumes: [{ name: v, emptyDir: {} }] }`,
      message: /container app: \/nowhere\/at\/all does not exist on this machine/,
    },
    {
      name: "a subPath",
      spec: `{ containers: [{ name: app, image: test/program, volumeMounts: [{ name: v, mountPath: /tmp/x, subPath: z }] }], volumes: [{ name: v, emptyDir: {} }] }`,
      message: /subPath is not supported on one machine/,
    },
  ])("because of $name reports the reason, and leaves nothing behind", async ({ spec, message, limits = {} }) => {
    test.write(pod(spec));
    await expect(test.start(limits)).rejects.toThrow(message);
    expect(leftoversOf()).toEqual([]);
  });

  it("because of an interrupt ends at once, even if an init container hangs", async () => {
    test.write(
      pod(`{ initContainers: [{ name: first, image: test/program, args: [hang] }], containers: [${CONTAINER}] }`),
    );
    const interrupted = new AbortController();
    const reason = new Error("enough");
    const start = test.start({
      signal: interrupted.signal,
      onProgress: (step) => {
        if (step.startsWith("1 of")) interrupted.abort(reason);
      },
    });
    await expect(start).rejects.toBe(reason);
    expect(leftoversOf()).toEqual([]);
  });
});

describe("a container that exits later", () => {
  it("is reported, and its pod receives requests again only after it is restarted", async () => {
    test.write(`${pod(`{ containers: [${CONTAINER}] }`)}---
kind: Service
metadata: { name: one, namespace: here }
spec: { selector: { app: one }, ports: [{ port: 80, targetPort: 8080 }] }
`);
    const failures: string[] = [];
    const cluster = await test.start({ onFailure: (message) => failures.push(message) });
    try {
      const one = findPod(cluster, "one");
      const elsewhere = findPod(cluster, "istio-ingressgateway");
      const ask = async (): Promise<number | null> =>
        (await elsewhere.exec(["curl", "-sS", "-m", "3", "http://one.here/"])).status;
      expect(await ask()).toBe(0);
      await one.exec(["curl", "-s", "http://127.0.0.1:8080/crash"]);
      await expect
        .poll(() => failures)
        .toEqual([expect.stringContaining("container app of Pod/one.here exited with 7")]);
      expect(await ask()).toBe(7);
      one.startContainer("app");
      await expect.poll(ask).toBe(0);
      await one.stopContainer("app", "SIGKILL");
      expect(await ask()).toBe(7);
      expect(failures.length).toBe(1);
    } finally {
      await cluster.stop();
    }
  });
});
