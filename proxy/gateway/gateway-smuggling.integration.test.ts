import { runSmugglingContract } from "../http/smuggling-contract-fixture.ts";
import { GATEWAY_PATH } from "./gateway-path-fixture.ts";

runSmugglingContract(GATEWAY_PATH);
