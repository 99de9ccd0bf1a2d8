import {
  type Document,
  type DocumentOptions,
  type ErrorCode,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type ParseOptions,
  parseAllDocuments,
  type ScalarTag,
  type SchemaOptions,
  stringify,
  visit,
  type YAMLMap,
  YAMLParseError,
} from "yaml";

/**
 * The scalars of YAML 1.1 as kubectl parses them (sigs.k8s.io/yaml, goyaml.v2/resolve.go): `0400` is 256, a bare `yes`
 * is true, `1_000` is 1000, and base 60 is not a number. A quoted scalar is always text.
 */
const KUBERNETES_SCALARS: readonly ScalarTag[] = [
  {
    tag: "tag:yaml.org,2002:null",
    default: true,
    identify: (value) => value === null,
    test: /^(?:~|null|Null|NULL)?$/,
    resolve: () => null,
    stringify: () => "null",
  },
  {
    tag: "tag:yaml.org,2002:bool",
    default: true,
    identify: (value) => typeof value === "boolean",
    test: /^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$/,
    resolve: (text) => /^(?:y|true|on)/i.test(text),
    stringify: ({ value }) => String(value),
  },
  {
    tag: "tag:yaml.org,2002:int",
    default: true,
    test: /^[-+]?(?:0[xX]_*[0-9a-fA-F][0-9a-fA-F_]*|0[bB]_*[01][01_]*|0[oO]?_*[0-7][0-7_]*|0_*|[1-9][0-9_]*)$/,
    resolve: parseInteger,
  },
  {
    tag: "tag:yaml.org,2002:float",
    default: true,
    identify: (value) => typeof value === "number",
    test: /^[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9][0-9_]*)?$/,
    resolve: (text) => {
      const number = Number(text.replaceAll("_", ""));
      return Number.isFinite(number) ? number : text;
    },
    stringify: ({ value }) => String(value),
  },
  {
    tag: "tag:yaml.org,2002:float",
    default: true,
    format: "SPECIAL",
    test: /^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/,
    resolve: (text) => {
      if (/nan$/i.test(text)) return Number.NaN;
      return text.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    },
  },
  {
    tag: "tag:yaml.org,2002:timestamp",
    default: true,
    test: /^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}.*)?$/,
    resolve: parseTimestamp,
  },
];

const KUBERNETES_YAML = {
  version: "1.1",
  schema: "failsafe",
  customTags: (tags) => [...tags, ...KUBERNETES_SCALARS],
  merge: true,
} as const satisfies SchemaOptions & DocumentOptions;

/**
 * Parses all documents of a text with Kubernetes objects; everything here uses this function. Values get the same type
 * as with `kubectl apply`. So do keys, which then become text: `on: 1` has the key `true`. A missing key, or one that
 * is a collection, is an error.
 */
export function parseKubernetesYaml(
  text: string,
  options: Pick<ParseOptions, "lineCounter" | "keepSourceTokens"> = {},
): readonly Document.Parsed[] {
  const documents = [
    ...parseAllDocuments(text, { ...KUBERNETES_YAML, prettyErrors: true, logLevel: "error", ...options }),
  ];
  for (const document of documents) reportKeys(document);
  return documents;
}

function reportKeys(document: Document.Parsed): void {
  const report = (code: ErrorCode, message: string, at: readonly number[] | null | undefined): void => {
    const [start = 0, end = start] = at ?? document.range;
    document.errors.push(new YAMLParseError([start, end], code, message));
  };
  try {
    visit(document, {
      Pair: (_key, { key }) => {
        if (isScalar(key) && key.value !== null) return;
        report("NON_STRING_KEY", "a key must be text, a number or a boolean", isNode(key) ? key.range : undefined);
      },
      Map: (_key, map) => {
        const key = findAmbiguousMerge(document, map);
        if (key === undefined) return;
        report("DUPLICATE_KEY", `<< is after \`${key}\` and contains it too; put << first`, map.range);
      },
    });
  } catch (caught) {
    report("RESOURCE_EXHAUSTION", caught instanceof Error ? caught.message : String(caught), undefined);
  }
}

/**
 * By the YAML specification the mapping's own keys override a merge, wherever it is; in kubectl the merge overrides
 * keys before it. Documents on which two parsers disagree are refused.
 */
function findAmbiguousMerge(document: Document, { items }: YAMLMap): string | undefined {
  const before = new Set<string>();
  for (const { key, value } of items) {
    const isMerge = isScalar(key) && key.source === "<<" && key.type === "PLAIN";
    const given = isMerge ? keysOf(document, value) : [isScalar(key) ? String(key.value) : ""];
    const twice = isMerge ? given.find((name) => before.has(name)) : undefined;
    if (twice !== undefined) return twice;
    for (const name of given) before.add(name);
  }
  return undefined;
}

function keysOf(document: Document, node: unknown): readonly string[] {
  if (isAlias(node)) return keysOf(document, node.resolve(document));
  if (isSeq(node)) return node.items.flatMap((item) => keysOf(document, item));
  return isMap(node) ? Object.keys(node.toJS(document)) : [];
}

/**
 * Formats block YAML that every YAML 1.1 and 1.2 parser reads as the same value, at any indentation. It has no aliases,
 * and each text is on one line, because a block scalar depends on the lines after it. Ends with a newline.
 */
export function formatKubernetesYaml(value: unknown): string {
  return stringify(value, { ...OUTPUT, blockQuote: false, doubleQuotedMinMultiLineLength: Number.POSITIVE_INFINITY });
}

/** Formats objects as a file for people and kubectl: one document each, text of several lines as a block. */
export function formatManifests(objects: readonly unknown[]): string {
  return objects.map((object) => stringify(object, { ...OUTPUT, blockQuote: "literal" })).join("---\n");
}

const OUTPUT = {
  ...KUBERNETES_YAML,
  merge: false,
  compat: "yaml-1.1",
  aliasDuplicateObjects: false,
  lineWidth: 0,
} as const;

function parseInteger(text: string): number {
  const digits = text.replaceAll("_", "").replace(/^[-+]/, "");
  // Only a leading zero is YAML 1.1's octal, which JavaScript writes as 0o.
  const number = Number(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits.toLowerCase());
  return text.startsWith("-") ? -number : number;
}

/** A timestamp becomes text in Go's JSON form (RFC 3339); other text is unchanged. */
function parseTimestamp(text: string): string {
  const parts =
    /^(\d{4})-(\d{1,2})-(\d{1,2})(?:(?: (\d{1,2}):(\d{1,2}):(\d{1,2})(\.\d+)?)|(?:[Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(\.\d+)?(Z|[-+]\d\d:\d\d)))?$/.exec(
      text,
    );
  if (parts === null) return text;
  const [, year = "", month = "", day = ""] = parts;
  const [hour = "0", minute = "0", second = "0"] = [parts[4] ?? parts[8], parts[5] ?? parts[9], parts[6] ?? parts[10]];
  const two = (part: string): string => part.padStart(2, "0");
  const written = `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}`;
  const instant = new Date(`${written}Z`);
  // A day that the month does not have overflows in JavaScript and is refused in Go.
  if (Number.isNaN(instant.getTime()) || !instant.toISOString().startsWith(written)) return text;
  const fraction = (parts[7] ?? parts[11] ?? "").slice(0, 10).replace(/\.?0+$/, "");
  const zone = parts[12] ?? "Z";
  return `${written}${fraction}${zone === "+00:00" ? "Z" : zone}`;
}
