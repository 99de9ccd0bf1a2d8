import { peerOf, policyOf } from "./authorization-fixture.ts";
import { ALLOW, BY_DENY, DENY, describeVectors, path, port, TCP, token } from "./vectors-fixture.ts";

describeVectors("streams", [
  {
    vector: "27",
    claim: "a rule that needs HTTP allows no stream",
    policies: [ALLOW({ to: [{ methods: ["GET"] }] })],
    denies: [TCP],
  },
  {
    vector: "28",
    claim: "one operation that needs HTTP is enough",
    policies: [ALLOW({ to: [{ methods: ["GET"] }, { ports: ["9000"] }] })],
    denies: [port(9000)],
  },
  {
    vector: "29",
    claim: "of two rules only the one that needs HTTP is dropped",
    policies: [ALLOW({ to: [{ methods: ["GET"] }] }, { to: [{ ports: ["9000"] }] })],
    allows: [port(9000)],
    denies: [port(9001)],
  },
  {
    vector: "30a",
    claim: "a rule that denies a method denies every stream",
    policies: [DENY({ to: [{ methods: ["GET"] }] })],
    denies: [port(9001)],
    by: BY_DENY,
  },
  {
    vector: "30b",
    claim: "and what else it demands still counts",
    policies: [DENY({ to: [{ methods: ["GET"], ports: ["9000"] }] })],
    allows: [port(9001)],
    denies: [port(9000)],
    by: BY_DENY,
  },
  {
    vector: "31",
    claim: "denying all but request principals demands a token",
    policies: [DENY({ from: [{ requestPrincipals: { not: ["*"] } }] })],
    allows: [token("https://i", "u")],
    denies: [{}, TCP],
    by: BY_DENY,
  },
  {
    vector: "37",
    claim: "CUSTOM without its provider denies what it matches",
    policies: [policyOf("CUSTOM", [{ to: [{ paths: ["/adm*"] }] }], { provider: "absent" })],
    allows: [path("/x")],
    denies: [path("/adm"), TCP],
    by: "istio-ext-authz-absent-custom 0-deny-due-to-bad-CUSTOM-action",
  },
  {
    vector: "40",
    claim: "a stream from a denied namespace is denied, whatever the method would be",
    policies: [DENY({ from: [{ namespaces: ["bar"] }], to: [{ methods: ["GET"] }] })],
    allows: [TCP],
    denies: [{ tcp: { peer: peerOf("cluster.local/ns/bar/sa/x") } }],
    by: BY_DENY,
  },
]);
