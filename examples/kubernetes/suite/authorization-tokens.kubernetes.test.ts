import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import {
  createIssuerKey,
  ISSUER,
  keySetOf,
  SUBJECT,
  signToken,
} from "../../../mesh/policy/request-authentication/token-issuer-fixture.ts";
import { authorizationPolicy, explain } from "./authorization-fixture.ts";
import { apply, remove, runKubectl } from "./kubectl-fixture.ts";
import { createWorld, WORLD_REPLY, type World } from "./world-fixture.ts";

let mesh: World;

beforeAll(async () => {
  mesh = await createWorld("tokens");
});

afterAll(() => mesh?.remove());

const SOON = { timeout: 15_000 };
const SERVED = WORLD_REPLY;
const DENIED = { status: 403, body: "RBAC: access denied" };
const UNAUTHENTICATED = { status: 401 };

const key = createIssuerKey("one", "ES256");
const VALID = signToken(key, { claims: { groups: ["readers"] } });
/** Its payload says something else than what was signed. */
const CHANGED = VALID.replace(/\.[^.]+\./, `.${signToken(key, { claims: { groups: ["admins"] } }).split(".")[1]}.`);
const EXPIRED = signToken(key, { claims: { exp: 1_000_000_000 } });
const FOREIGN = signToken(createIssuerKey("one", "ES256"));
const OF_ANOTHER = signToken(key, { claims: { iss: "https://another.example" } });

function send(token?: string) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return mesh.client.send({ url: mesh.url, headers });
}

function explainToken(claims: readonly string[]): Promise<string> {
  const options = claims.flatMap((claim) => ["--token-claim", claim]);
  return explain(
    "--from",
    `client.${mesh.namespace}`,
    "--to",
    `world.${mesh.namespace}:8080`,
    "--method",
    "GET",
    ...options,
  );
}

function requestAuthentication(rule: object, version = "v1"): KubernetesObject {
  return {
    apiVersion: `security.istio.io/${version}`,
    kind: "RequestAuthentication",
    metadata: { name: "tokens", namespace: mesh.namespace },
    spec: { selector: { matchLabels: { app: "world" } }, jwtRules: [{ issuer: ISSUER, ...rule }] },
  };
}

const CLAIMS = [`iss=${ISSUER}`, `sub=${SUBJECT}`];

describe("a RequestAuthentication with a key set of its own", () => {
  beforeAll(async () => {
    await apply([requestAuthentication({ jwks: keySetOf(key) })]);
  });

  it.each([
    { name: "changed after it was signed", token: CHANGED },
    { name: "expired", token: EXPIRED },
    { name: "signed by another key", token: FOREIGN },
    { name: "of another issuer", token: OF_ANOTHER },
    { name: "not a token", token: "abc" },
  ])("refuses with 401 a token that is $name", async ({ token }) => {
    await expect.poll(() => send(token), SOON).toMatchObject(UNAUTHENTICATED);
  });

  it("alone demands no token", async () => {
    expect(await send()).toMatchObject(SERVED);
    expect(await send(VALID)).toMatchObject(SERVED);
    expect(await explainToken([])).toBe("allowed by no-policy");
    expect(await explainToken(["iss=https://another.example", "sub=x"])).toBe("denied by token");
  });

  it("with an AuthorizationPolicy serves those with a token whose claims match, and no others", async () => {
    const readers = authorizationPolicy(mesh.namespace, "readers", {
      rules: [
        {
          from: [{ source: { requestPrincipals: [`${ISSUER}/*`] } }],
          when: [{ key: "request.auth.claims[groups]", values: ["readers"] }],
        },
      ],
    });
    await apply([readers]);
    await expect.poll(() => send(), SOON).toMatchObject(DENIED);
    expect(await send(VALID)).toMatchObject(SERVED);
    expect(await send(signToken(key))).toMatchObject(DENIED);
    expect(await send(CHANGED)).toMatchObject(UNAUTHENTICATED);
    const allowed = `allowed by AuthorizationPolicy/readers.${mesh.namespace} rule 0`;
    expect(await explainToken([...CLAIMS, "groups=readers", "groups=writers"])).toBe(allowed);
    expect(await explainToken(CLAIMS)).toBe("denied by no-rule");
    expect(await explainToken([])).toBe("denied by no-rule");
    await remove([readers]);
    await expect.poll(() => send(), SOON).toMatchObject(SERVED);
  });

  it("whose key is replaced refuses the old key's tokens", async () => {
    const next = createIssuerKey("two", "ES256");
    await apply([requestAuthentication({ jwks: keySetOf(next) }, "v1beta1")]);
    await expect.poll(() => send(VALID), SOON).toMatchObject(UNAUTHENTICATED);
    expect(await send(signToken(next))).toMatchObject(SERVED);
  });
});

describe("a RequestAuthentication that is wrong is refused with its field", () => {
  const privateKeys = JSON.stringify({ keys: [{ ...key.privateKey.export({ format: "jwk" }), kid: "one" }] });
  it.each([
    { name: "a key set that is no JSON", field: "spec.jwtRules[0].jwks", rule: { jwks: "{" } },
    { name: "a private key", field: "spec.jwtRules[0].jwks", rule: { jwks: privateKeys } },
    { name: "an empty issuer", field: "spec.jwtRules[0].issuer", rule: { issuer: "" } },
    { name: "keys by FTP", field: "spec.jwtRules[0].jwksUri", rule: { jwksUri: "ftp://issuer.example/keys" } },
    { name: "an old spelling", field: "spec.jwtRules[0]", rule: { jwks_uri: "https://issuer.example/keys" } },
  ])("$name: $field", async ({ field, rule }) => {
    const input = JSON.stringify(requestAuthentication(rule));
    const { status, stderr } = await runKubectl(["apply", "-f", "-"], { input });
    expect([status, stderr]).toEqual([1, expect.stringContaining(field)]);
  });
});
