import { expect, it } from "vitest";
import { identityNames } from "../../injector/cluster/start-cluster-injector.ts";
import { parseInstallValues } from "../values/parse-values.ts";
import { injectorServiceName } from "./injector.ts";
import { webhookSecretName } from "./state-names.ts";
import { mutatingWebhookName, validatingWebhookName } from "./webhooks.ts";

it.each(["default", "canary"])(
  "the injector of revision %s finds its objects under their installed names",
  (revision) => {
    const values = parseInstallValues({ expressions: [`revision=${revision}`, "namespace=mesh"] });
    expect(identityNames({ revision, controlPlaneNamespace: "mesh" })).toEqual({
      namespace: "mesh",
      service: injectorServiceName(values),
      secret: webhookSecretName(values),
      configurations: { mutating: mutatingWebhookName(values), validating: validatingWebhookName(values) },
    });
  },
);
