import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createNamespace,
  getObjects,
  INJECTED,
  kubectl,
  runKubectl,
  SYSTEM,
  type TestNamespace,
} from "./kubectl-fixture.ts";
import { type ClientNamespace, createOutsider } from "./world-fixture.ts";

const SERVICE = "istio-sidecar-injector";
const SECRET = `${SERVICE}-tls`;
const WEBHOOK_PORT = 15017;
/** New roots are published for 20 s before a certificate needs them; the Secret is read each 10 s. */
const ROTATED = { timeout: 120_000, interval: 1000 };

/** Prints `trusted` if the certificate of an injector's pod is signed by this authority, or else an error code. */
const CONNECT = `
const [host, ca] = process.argv.slice(1);
const options = { host, port: ${WEBHOOK_PORT}, servername: "${SERVICE}.${SYSTEM}.svc", ca: Buffer.from(ca, "base64") };
const print = (text) => { console.log(text); process.exit(); };
require("tls").connect(options, () => print("trusted")).on("error", ({ code }) => print(code));
`;

let mesh: TestNamespace;
let outside: ClientNamespace;

beforeAll(async () => {
  mesh = await createNamespace("webhook", INJECTED);
  outside = await createOutsider();
});

afterAll(async () => {
  await Promise.all([mesh?.remove(), outside?.remove()]);
});

/** The authority's certificate in the Secret, base64 of PEM; undefined while there is no Secret. */
async function readAuthority(): Promise<string | undefined> {
  const [secret] = await getObjects("secret", SECRET, "-n", SYSTEM, "--ignore-not-found");
  const { data }: { readonly data?: Readonly<Record<string, string>> } = JSON.parse(JSON.stringify(secret ?? {}));
  if (data === undefined) return undefined;
  const bundle = Buffer.from(data["ca-cert.pem"] ?? "", "base64").toString();
  const [first] = bundle.split(/(?<=-----END CERTIFICATE-----)/);
  return Buffer.from(first ?? "").toString("base64");
}

/** What the pods of the injector present, judged by an authority's certificate. */
async function verdicts(authority: string): Promise<readonly string[]> {
  const pods = await getObjects("pods", "-n", SYSTEM, "-l", `app=${SERVICE}`);
  return await Promise.all(
    pods.map(async ({ status }) => {
      const { podIP }: { readonly podIP: string } = JSON.parse(JSON.stringify(status));
      const { stdout } = await outside.client.run("node", "-e", CONNECT, podIP, authority);
      return stdout.trim();
    }),
  );
}

/** Creates a pod as far as the API server's admission. */
async function createDryPod(): Promise<string> {
  const args = ["run", "probe", "-n", mesh.name, "--image=web:1", "--dry-run=server", "-o", "json"];
  const { status, stdout, stderr } = await runKubectl(args);
  if (status !== 0) return stderr.trim();
  return stdout.includes('"name": "istio-proxy"') ? "injected" : "without a sidecar";
}

describe("the authority of the webhooks' certificates", () => {
  it("is replaced when its Secret is deleted, and every pod that is created meanwhile gets its sidecar", async () => {
    const before = (await readAuthority()) ?? "";
    expect(new Set(await verdicts(before))).toEqual(new Set(["trusted"]));
    await kubectl(["delete", "secret", SECRET, "-n", SYSTEM]);
    const outcomes = new Set<string>();
    await expect
      .poll(async () => {
        outcomes.add(await createDryPod());
        const authority = await readAuthority();
        if (authority === undefined || authority === before) return ["the old authority"];
        return [...new Set(await verdicts(authority))];
      }, ROTATED)
      .toEqual(["trusted"]);
    expect(await createDryPod()).toBe("injected");
    expect([...outcomes]).toEqual(["injected"]);
    expect(await verdicts(before)).not.toContain("trusted");
  });
});
