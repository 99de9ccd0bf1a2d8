import { runSmugglingContract } from "../http/paths/smuggling-contract-fixture.ts";
import { GATEWAY_PATH } from "./gateway-path-fixture.ts";

runSmugglingContract(GATEWAY_PATH);
