/** For tests: a cluster in which an installation's accounts have the rights that it grants, and no others. */
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { startTestApiServer, type TestApiServer } from "../../kubernetes/test-server/test-api-server-fixture.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { parseInstallValues } from "../values/parse-values.ts";
import { accessRights } from "./access-rights.ts";

export const NAMESPACE = "istio-system";
const KIND_BY_NAME = {
  ClusterRole: KINDS.clusterRoles,
  ClusterRoleBinding: KINDS.clusterRoleBindings,
  Role: KINDS.roles,
  RoleBinding: KINDS.roleBindings,
};

interface Rule {
  readonly resources?: readonly string[];
  readonly verbs: readonly string[];
  readonly [field: string]: unknown;
}

export interface Right {
  readonly resource: string;
  readonly verb: string;
}

/** A cluster in which the control plane's account may do what an installation allows, but for one right. */
export async function startRightsCluster(cleanup: Cleanup, without?: Right): Promise<TestApiServer> {
  const server = await startTestApiServer(cleanup, { authorization: "rbac" });
  const { cluster } = server;
  cluster.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } });
  for (const name of ["istiod", "hello"]) {
    const metadata = { name, namespace: NAMESPACE };
    cluster.create(KINDS.serviceAccounts, { apiVersion: "v1", kind: "ServiceAccount", metadata });
  }
  const objects: readonly KubernetesObject[] = accessRights(parseInstallValues({ expressions: [] }));
  for (const object of objects) {
    const kind = Object.entries(KIND_BY_NAME).find(([name]) => name === object.kind)?.[1];
    if (kind === undefined) throw new TypeError(`${object.kind} is no right`);
    cluster.create(kind, {
      ...object,
      ...(isRules(object["rules"]) && { rules: withoutRight(object["rules"], without) }),
    });
  }
  return server;
}

function isRules(value: unknown): value is readonly Rule[] {
  return Array.isArray(value);
}

function withoutRight(rules: readonly Rule[], without: Right | undefined): readonly Rule[] {
  return rules.map((rule) =>
    without !== undefined && rule.resources?.includes(without.resource)
      ? { ...rule, verbs: rule.verbs.filter((verb) => verb !== without.verb) }
      : rule,
  );
}
