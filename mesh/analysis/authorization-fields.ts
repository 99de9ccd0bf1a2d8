import type { AuthorizationPolicy } from "../resources/kinds/authorization-policy.ts";

type Rule = AuthorizationPolicy["spec"]["rules"][number];

/** One list of values of a rule. */
export interface RuleField {
  /** Its path in the policy: `spec.rules[0].from[1].source.principals`. */
  readonly path: string;
  /** As a key of `when`; the fields that `when` does not have are `request.host`, `request.method`, `request.path`. */
  readonly key: string;
  readonly isNegative: boolean;
  readonly values: readonly string[];
}

/** The lists of a rule that have values, by entry: those of one entry must all match. */
export interface RuleFields {
  readonly index: number;
  readonly from: readonly (readonly RuleField[])[];
  readonly to: readonly (readonly RuleField[])[];
  readonly when: readonly RuleField[];
}

const KEYS: Readonly<Record<string, string>> = {
  principals: "source.principal",
  requestPrincipals: "request.auth.principal",
  namespaces: "source.namespace",
  serviceAccounts: "source.serviceAccount",
  trustDomains: "source.trustDomain",
  ipBlocks: "source.ip",
  remoteIpBlocks: "remote.ip",
  hosts: "request.host",
  ports: "destination.port",
  methods: "request.method",
  paths: "request.path",
};

/** The fields of each rule of a policy. */
export function listRuleFields({ spec }: AuthorizationPolicy): readonly RuleFields[] {
  return spec.rules.map((rule: Rule, index) => ({
    index,
    from: rule.from.map(({ source }, at) => fieldsOf(source, `spec.rules[${index}].from[${at}].source`)),
    to: rule.to.map(({ operation }, at) => fieldsOf(operation, `spec.rules[${index}].to[${at}].operation`)),
    when: rule.when.flatMap(({ key, values, notValues }, at) => [
      ...field(`spec.rules[${index}].when[${at}].values`, { key, isNegative: false, values }),
      ...field(`spec.rules[${index}].when[${at}].notValues`, { key, isNegative: true, values: notValues }),
    ]),
  }));
}

/** All fields of a policy. */
export function listFields(policy: AuthorizationPolicy): readonly RuleField[] {
  return listRuleFields(policy).flatMap(fieldsOfRule);
}

/** All fields of one rule. */
export function fieldsOfRule({ from, to, when }: RuleFields): readonly RuleField[] {
  return [...from.flat(), ...to.flat(), ...when];
}

/** Whether a field can only be matched where requests are read: never in a stream. */
export function isOfRequest({ key }: RuleField): boolean {
  return key.startsWith("request.");
}

function fieldsOf(clause: Readonly<Record<string, readonly string[]>>, path: string): readonly RuleField[] {
  return Object.entries(clause).flatMap(([name, values]) => {
    const isNegative = !Object.hasOwn(KEYS, name);
    const positive = isNegative ? `${name.charAt(3).toLowerCase()}${name.slice(4)}` : name;
    return field(`${path}.${name}`, { key: KEYS[positive] ?? positive, isNegative, values });
  });
}

function field(path: string, rest: Omit<RuleField, "path">): readonly RuleField[] {
  return rest.values.length === 0 ? [] : [{ path, ...rest }];
}
