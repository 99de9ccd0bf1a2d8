import { expect, it } from "vitest";
import { bundleCli } from "./bundle-cli.ts";

const bundled = bundleCli({ write: false, outdir: "dist" });

/** The source files that a process has loaded once it runs the chunk of one of them. */
async function filesLoadedWith(entry: string): Promise<readonly string[]> {
  const { outputs } = await bundled;
  const byPath = new Map(outputs.map((output) => [output.path, output]));
  const loaded = new Set<string>();
  const queue = outputs.filter((output) => output.inputs.includes(entry)).map(({ path }) => path);
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const output = byPath.get(path);
    if (output === undefined || loaded.has(path)) continue;
    loaded.add(path);
    queue.push(...output.imports);
  }
  return [...loaded].flatMap((path) => byPath.get(path)?.inputs ?? []);
}

it.each(["proxy/run-sidecar.ts", "proxy/run-gateway.ts"])(
  "the process of %s loads no schemas, no YAML and no certificate authority",
  async (role) => {
    const inputs = await filesLoadedWith(role);
    expect(inputs).toContain(role);
    const unwanted = inputs.filter((input) =>
      /node_modules\/(zod|yaml|jose|undici|@kubernetes)\/|^(ca-agent|discovery|injector|install|kubernetes|local)\//.test(
        input,
      ),
    );
    expect(unwanted).toEqual([]);
  },
);

it("the hooks' commands, which run inside the proxy's container, load nothing of the data plane", async () => {
  const inputs = await filesLoadedWith("cli/programs/proxy.ts");
  const ofProxy = inputs.filter((input) => input.startsWith("proxy/"));
  expect(ofProxy.toSorted()).toEqual(["proxy/admin/local-requests.ts", "proxy/proxy-error.ts"]);
});

it.each(["cli/programs/control-plane.ts", "cli/programs/injector.ts"])(
  "%s loads no kubeconfig parser, which takes 60 MB, since a pod has no kubeconfig",
  async (entry) => {
    const inputs = await filesLoadedWith(entry);
    expect(inputs).toContain(entry);
    expect(inputs.filter((input) => input.includes("node_modules/@kubernetes/"))).toEqual([]);
  },
);
