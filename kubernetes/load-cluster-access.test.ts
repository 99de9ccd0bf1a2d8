import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ClusterAccess } from "./cluster-access.ts";
import { loadClusterAccess } from "./load-cluster-access.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kube-config-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

interface Parts {
  readonly cluster?: Record<string, unknown>;
  readonly user?: Record<string, unknown>;
  readonly namespace?: string;
}

async function kubeconfig({ cluster, user, namespace }: Parts, name = "config"): Promise<string> {
  const content = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "main",
    contexts: [{ name: "main", context: { cluster: "c1", user: "u1", ...(namespace && { namespace }) } }],
    clusters: [{ name: "c1", cluster: { server: "https://api.example.com:6443/", ...cluster } }],
    users: [{ name: "u1", user: user ?? {} }],
  };
  return await file(name, JSON.stringify(content));
}

async function load(parts: Parts): Promise<ClusterAccess> {
  return await loadClusterAccess({ kubeconfig: await kubeconfig(parts), environment: {} });
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("a kubeconfig", () => {
  it("names server, namespace, authority and client certificate, by content or by file beside it", async () => {
    await file("ca.pem", "CA");
    await file("key.pem", "KEY");
    const access = await load({
      cluster: { "certificate-authority": "ca.pem", "tls-server-name": "kubernetes", "proxy-url": "socks5://p:1080" },
      user: { "client-certificate-data": base64("CERT"), "client-key": "key.pem" },
      namespace: "team",
    });
    expect(access).toMatchObject({
      server: "https://api.example.com:6443",
      namespace: "team",
      proxy: "socks5://p:1080",
    });
    expect(await access.credentials("cached")).toEqual({
      headers: {},
      tls: { ca: "CA", cert: "CERT", key: "KEY", servername: "kubernetes", verification: "full" },
    });
  });

  it.each([
    { name: "a token", user: { token: "t1" }, headers: { authorization: "Bearer t1" } },
    {
      name: "a user and password",
      user: { username: "ann", password: "p:w" },
      headers: { authorization: `Basic ${base64("ann:p:w")}` },
    },
    {
      name: "impersonation",
      user: { token: "t1", as: "bob", "as-groups": ["dev", "ops"] },
      headers: { authorization: "Bearer t1", "impersonate-user": "bob", "impersonate-group": ["dev", "ops"] },
    },
  ])("gives $name", async ({ user, headers }) => {
    const access = await load({ user });
    expect((await access.credentials("cached")).headers).toEqual(headers);
  });

  it("names a token file, which is read for each request", async () => {
    const path = await file("token", "t1\n");
    const access = await load({ user: { tokenFile: "token" } });
    expect((await access.credentials("cached")).headers).toEqual({ authorization: "Bearer t1" });
    await file("token.new", "t2\n");
    await rename(join(folder, "token.new"), path);
    expect((await access.credentials("cached")).headers).toEqual({ authorization: "Bearer t2" });
  });

  it("turns verification off only where it says so", async () => {
    const access = await load({ cluster: { "insecure-skip-tls-verify": true } });
    expect((await access.credentials("cached")).tls.verification).toBe("none");
    const careless = await load({ cluster: { "insecure-skip-tls-verify": "true" } });
    expect((await careless.credentials("cached")).tls.verification).toBe("full");
    await expect(load({ cluster: { server: "http://api.example.com" } })).rejects.toThrow(/is not HTTPS/);
  });

  it("is read again when the server rejects its credentials", async () => {
    const access = await load({ user: { token: "t1" } });
    await kubeconfig({ user: { token: "t2" } });
    expect((await access.credentials("cached")).headers).toEqual({ authorization: "Bearer t1" });
    expect((await access.credentials("renewed")).headers).toEqual({ authorization: "Bearer t2" });
    expect((await access.credentials("cached")).headers).toEqual({ authorization: "Bearer t2" });
  });

  it("is joined from several files; the first that names something counts, absent ones are skipped", async () => {
    const first = await file("first", "users: [{name: u1, user: {token: t-first}}]\n");
    const second = await kubeconfig({ user: { token: "t-second" } }, "second");
    const environment = { KUBECONFIG: [join(folder, "absent"), first, second].join(":") };
    const access = await loadClusterAccess({ environment });
    expect(access.server).toBe("https://api.example.com:6443");
    expect((await access.credentials("cached")).headers).toEqual({ authorization: "Bearer t-first" });
  });

  it.each([
    { name: "absent", text: undefined, fault: /there is no such file/ },
    { name: "not YAML", text: "users: [{user: {token: hunter2}", fault: /is not YAML at line 1/ },
    { name: "without a context", text: "clusters: []", fault: /no current-context/ },
    {
      name: "with an unknown context",
      text: "current-context: x\ncontexts: [{name: other, context: {}}]",
      fault: /there is: other/,
    },
    {
      name: "without a server",
      text: "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: ftp:/}}]",
      fault: /the server of cluster c is not/,
    },
  ])("that is $name is refused by name, without its content", async ({ text, fault }) => {
    const path = text === undefined ? join(folder, "absent") : await file("config", text);
    const failure = loadClusterAccess({ kubeconfig: path, environment: {} });
    await expect(failure).rejects.toThrow(fault);
    await expect(failure).rejects.toThrow(path);
    await expect(failure).rejects.not.toThrow(/hunter2/);
  });
});

describe("a credential plugin", () => {
  const plugin = (script: string): Record<string, unknown> => ({
    exec: {
      apiVersion: "client.authentication.k8s.io/v1",
      command: process.execPath,
      args: ["-e", script],
      provideClusterInfo: true,
      installHint: "install the plugin",
    },
  });

  it("is run once for simultaneous requests, and receives the cluster", async () => {
    const runs = join(folder, "runs");
    const script = `
      require("fs").appendFileSync(${JSON.stringify(runs)}, "x");
      const { spec } = JSON.parse(process.env.KUBERNETES_EXEC_INFO);
      console.log(JSON.stringify({ status: { token: spec.cluster.server } }));`;
    const access = await load({ user: plugin(script) });
    const both = await Promise.all([access.credentials("cached"), access.credentials("cached")]);
    expect(both.map(({ headers }) => headers["authorization"])).toEqual([
      "Bearer https://api.example.com:6443",
      "Bearer https://api.example.com:6443",
    ]);
    await access.credentials("cached");
    await access.credentials("renewed");
    expect(await readFile(runs, "utf8")).toBe("xx");
  });

  it("that fails is reported with its text and the hint", async () => {
    const access = await load({ user: plugin('console.error("log in again"); process.exitCode = 1') });
    await expect(access.credentials("cached")).rejects.toThrow(
      /the credential plugin .* of user u1 failed: .*log in again \(install the plugin\)/,
    );
  });

  it("that does not exist is reported by name", async () => {
    const access = await load({ user: { exec: { command: join(folder, "no-such-plugin") } } });
    await expect(access.credentials("cached")).rejects.toThrow(/no-such-plugin of user u1 failed: .*ENOENT/);
  });
});

describe("a pod's service account", () => {
  const environment = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "443" };

  async function account(): Promise<ClusterAccess> {
    await mkdir(join(folder, "account"));
    await file("account/token", "t1");
    await file("account/ca.crt", "CA");
    await file("account/namespace", "istio-system");
    return await loadClusterAccess({ environment, serviceAccountFolder: join(folder, "account") });
  }

  it("is used where there is no kubeconfig", async () => {
    const access = await account();
    expect(access).toMatchObject({ server: "https://[fd00::1]:443", namespace: "istio-system" });
    expect(await access.credentials("cached")).toEqual({
      headers: { authorization: "Bearer t1" },
      tls: { ca: "CA", verification: "full" },
    });
  });

  it("is read for each request, because the kubelet replaces the token", async () => {
    const access = await account();
    await file("account/token", "t2");
    expect((await access.credentials("cached")).headers).toEqual({ authorization: "Bearer t2" });
  });

  it("whose token is missing or empty is reported by its path", async () => {
    const access = await account();
    await file("account/token", "");
    await expect(access.credentials("cached")).rejects.toThrow(/token is empty: .*account\/token/);
    await rm(join(folder, "account/token"));
    await expect(access.credentials("cached")).rejects.toThrow(/automountServiceAccountToken/);
  });

  it("or a kubeconfig: without either, the error says where was looked", async () => {
    await expect(loadClusterAccess({ environment: {} })).rejects.toThrow(/no KUBECONFIG.*--kubeconfig FILE/);
  });
});
