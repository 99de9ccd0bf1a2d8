import { afterAll, describe } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { type ContractSubject, runKubernetesApiContract } from "../kubernetes-api-contract-fixture.ts";
import { InProcessApi } from "./in-process-api.ts";
import { startTestApiServer } from "./test-api-server-fixture.ts";
import { TestCluster } from "./test-cluster.ts";

const cleanup = new Cleanup();
afterAll(() => cleanup.run());

describe("the shipped client and the test server over TLS", () => {
  runKubernetesApiContract(async (): Promise<ContractSubject> => {
    const server = await startTestApiServer(cleanup);
    return { api: server.client(), namespace: "default" };
  });
});

describe("the test cluster in this process", () => {
  runKubernetesApiContract(async () => ({ api: new InProcessApi(new TestCluster()), namespace: "default" }));
});
