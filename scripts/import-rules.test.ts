import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";

/** The top folders: each may import only those after it. Type imports count. */
const LAYERS = [
  "bench",
  "examples",
  "cli",
  "operator",
  "local",
  "install",
  "control-plane",
  "injector",
  "proxy",
  "ca-agent",
  "discovery",
  "kubernetes",
  "net",
  "mesh",
];

/** The same order inside a top folder. Files at its root are exempt: they assemble parts, or are shared by all. */
const INNER_ORDERS: readonly { readonly top: string; readonly order: readonly string[] }[] = [
  { top: "mesh", order: ["analysis", "api", "policy", "resources", "identity"] },
  {
    top: "proxy",
    order: [
      "lifecycle",
      "admin",
      "gateway",
      "inbound",
      "outbound",
      "http",
      "http1",
      "http2",
      "messages",
      "connections",
      "tls",
      "telemetry",
      "capture",
    ],
  },
];

/** Folders that only `control-plane/` may combine. */
const SEPARATE: readonly (readonly [string, string])[] = [["ca-agent", "discovery"]];

interface Import {
  readonly from: string;
  readonly specifier: string;
  readonly isTypeOnly: boolean;
}

const IMPORT = /^\s*(?:import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"|import\("([^"]+)"\)/gm;

function listSources(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((file) => file.endsWith(".ts") && !file.includes("node_modules") && !file.includes("/gen/"));
}

function readImports(file: string): readonly Import[] {
  return [...readFileSync(file, "utf8").matchAll(IMPORT)].map(([, type, statement, dynamic]) => ({
    from: file,
    specifier: statement ?? dynamic ?? "",
    isTypeOnly: type !== undefined,
  }));
}

const IMPORTS = LAYERS.flatMap(listSources).flatMap(readImports);
const RUNTIME = IMPORTS.filter(({ from, isTypeOnly }) => !isTypeOnly && !isTestFile(from));

function isTestFile(file: string): boolean {
  return file.endsWith(".test.ts") || file.endsWith("-fixture.ts");
}

function targetOf({ from, specifier }: Import): string | undefined {
  return specifier.startsWith(".") ? normalize(join(dirname(from), specifier)) : undefined;
}

function layerOf(file: string): string {
  return file.split("/")[0] ?? "";
}

function format(found: readonly Import[]): readonly string[] {
  return found.map(({ from, specifier }) => `${from} imports ${specifier}`);
}

/** Each cycle once, as the list of its files. */
function findCycles(imports: readonly Import[]): readonly string[] {
  const targets = new Map<string, string[]>();
  for (const entry of imports) {
    const target = targetOf(entry);
    if (target !== undefined) targets.set(entry.from, [...(targets.get(entry.from) ?? []), target]);
  }
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    const start = path.indexOf(file);
    if (start !== -1) found.push([...path.slice(start), file].join(" → "));
    if (start !== -1 || done.has(file)) return;
    for (const target of targets.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of targets.keys()) visit(file, []);
  return found;
}

describe("import direction", () => {
  it("is checked on real files", () => {
    expect(IMPORTS.length).toBeGreaterThan(100);
  });

  it("runs only downwards through the layers", () => {
    const upward = IMPORTS.filter((entry) => {
      const target = targetOf(entry);
      if (target === undefined) return false;
      return LAYERS.indexOf(layerOf(target)) < LAYERS.indexOf(layerOf(entry.from));
    });
    expect(format(upward)).toEqual([]);
  });

  it.each(INNER_ORDERS)("runs only downwards inside $top/", ({ top, order }) => {
    const placeOf = (file: string): number => order.indexOf(file.split("/")[1] ?? "");
    const upward = IMPORTS.filter((entry) => {
      const target = targetOf(entry);
      if (target === undefined || layerOf(target) !== top || layerOf(entry.from) !== top) return false;
      return placeOf(target) !== -1 && placeOf(target) < placeOf(entry.from);
    });
    expect(format(upward)).toEqual([]);
  });

  it("has no cycle, type imports included", () => {
    expect(findCycles(IMPORTS)).toEqual([]);
  });

  it.each(SEPARATE)("keeps %s and %s independent of each other", (one, other) => {
    const crossing = IMPORTS.filter((entry) => {
      const layers = [layerOf(entry.from), layerOf(targetOf(entry) ?? "")];
      return layers.includes(one) && layers.includes(other);
    });
    expect(format(crossing)).toEqual([]);
  });

  it.each(SEPARATE)("allows only control-plane/, and benches, to import both %s and %s", (one, other) => {
    const importers = (layer: string): ReadonlySet<string> => {
      const entries = IMPORTS.filter((entry) => {
        const target = targetOf(entry) ?? "";
        // A library of certificates, which the injector uses for its own; it has nothing of the authority.
        return !isTestFile(entry.from) && layerOf(target) === layer && !target.startsWith("ca-agent/x509/");
      });
      return new Set(entries.map(({ from }) => layerOf(from)));
    };
    const both = [...importers(one)].filter((layer) => importers(other).has(layer));
    expect(both.filter((layer) => layer !== "bench")).toEqual(["control-plane"]);
  });
});

/** Packages and built-ins that only some files may load, for the reasons that ARCHITECTURE.md gives. */
const RESTRICTED_IMPORTS: readonly { readonly what: RegExp; readonly allowed: RegExp; readonly name: string }[] = [
  {
    name: "node-forge",
    what: /^node-forge/,
    allowed: /^(ca-agent\/x509\/|proxy\/tls\/(csr\.ts|node-forge-asn1\.d\.ts)$)/,
  },
  {
    name: "koffi",
    what: /^koffi$/,
    allowed:
      /^(net\/(tls\/(handshake-guard|openssl)|memory-release)|proxy\/capture\/original-destination|local\/network\/network-namespace)\.ts$/,
  },
  { name: "zod", what: /^zod$/, allowed: /^(mesh\/resources|injector|install|local|operator)\// },
  { name: "yaml", what: /^yaml$/, allowed: /^(mesh\/resources|injector|local|discovery|examples)\// },
  { name: "http-proxy", what: /^http-proxy$/, allowed: /^(proxy\/gateway|bench)\// },
  {
    name: "jose",
    what: /^jose(\/|$)/,
    allowed:
      /^((ca-agent\/workload-auth|local|examples\/http-echo)\/|proxy\/http\/authentication\/verify-signature\.ts$)/,
  },
  { name: "@kubernetes/client-node", what: /^@kubernetes\/client-node/, allowed: /^kubernetes\/kube-config\.ts$/ },
  { name: "re2js", what: /^re2js$/, allowed: /^mesh\/resources\/fields\/compile-regex\.ts$/ },
];

describe("restricted packages", () => {
  it.each(RESTRICTED_IMPORTS)("$name is imported only by the allowed files", ({ what, allowed }) => {
    const outside = RUNTIME.filter(({ from, specifier }) => what.test(specifier) && !allowed.test(from));
    expect(format(outside)).toEqual([]);
  });

  it("mesh is pure: it uses no sockets, files or processes", () => {
    const impure = RUNTIME.filter(
      ({ from, specifier }) =>
        from.startsWith("mesh/") && /^node:(net|tls|http|https|http2|fs|child_process|dgram|dns)/.test(specifier),
    );
    expect(format(impure)).toEqual([]);
  });

  it("the proxy's process loads no schemas, no YAML and no issuing code", () => {
    const heavy = RUNTIME.filter((entry) => {
      if (!entry.from.startsWith("proxy/") && !/^mesh\/(policy|identity|api)\//.test(entry.from)) return false;
      const target = targetOf(entry) ?? "";
      if (target.startsWith("mesh/resources/fields/")) return false;
      return target.startsWith("mesh/resources/") || target.startsWith("ca-agent/") || target.startsWith("discovery/");
    });
    expect(format(heavy)).toEqual([]);
  });

  it("only the programs that need it use the Kubernetes API: the proxy and the local cluster do not load it", () => {
    const users = RUNTIME.filter((entry) => layerOf(targetOf(entry) ?? "") === "kubernetes");
    const others = users.filter(
      ({ from }) => !/^(cli|operator|install|control-plane|injector|ca-agent|discovery|kubernetes|bench)\//.test(from),
    );
    expect(format(others)).toEqual([]);
  });

  it("only tests and benches load the test server", () => {
    const used = RUNTIME.filter(
      (entry) =>
        targetOf(entry)?.startsWith("kubernetes/test-server/") &&
        !/^(bench|kubernetes\/test-server)\//.test(entry.from),
    );
    expect(format(used)).toEqual([]);
  });

  it("only tests and demos use the functions that mint arbitrary certificates", () => {
    const used = RUNTIME.filter(
      (entry) =>
        targetOf(entry) === "mesh/identity/mint-certificate-fixture.ts" && !/^(examples|bench)\//.test(entry.from),
    );
    expect(format(used)).toEqual([]);
  });
});

/** Code patterns that are forbidden, because each has caused a vulnerability in a proxy. */
const RESTRICTED_PATTERNS: readonly { readonly name: string; readonly what: RegExp; readonly allowed: RegExp }[] = [
  // This is a second check, after our own verification; on its own it would trust a resumed session.
  { name: "socket.authorized", what: /\.authorized\b/, allowed: /^control-plane\/serving\/judge-peer\.ts$/ },
  {
    name: "the subjectaltname string",
    what: /\.subjectaltname\b/,
    allowed: /^mesh\/identity\//,
  },
  { name: "insecureHTTPParser", what: /insecureHTTPParser:\s*true/, allowed: /^$/ },
  // Manifests are parsed like kubectl does, by a single function.
  {
    name: "the YAML parser",
    what: /\bparse(?:All)?Documents?\(/,
    allowed: /^mesh\/resources\/parsing\/kubernetes-yaml\.ts$/,
  },
  { name: "ticketKeys", what: /ticketKeys/, allowed: /^$/ },
  { name: "process.exit", what: /process\.exit\(/, allowed: /^(cli|examples|bench|scripts)\// },
  { name: "process.env", what: /process\.env\b/, allowed: /^(cli|examples|bench|scripts)\// },
];

describe("dangerous APIs", () => {
  const sources = LAYERS.flatMap(listSources).filter((file) => !isTestFile(file));
  it.each(RESTRICTED_PATTERNS)("$name is used only where it is allowed", ({ what, allowed }) => {
    const found = sources.filter(
      (file) => !allowed.test(file) && what.test(withoutComments(readFileSync(file, "utf8"))),
    );
    expect(found).toEqual([]);
  });
});

function withoutComments(source: string): string {
  return source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
}
