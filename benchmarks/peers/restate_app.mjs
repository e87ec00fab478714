// What Restate runs, with its TypeScript SDK: the same as restate_app.py.
// node restate_app.mjs NODE_MODULES PORT
import { createRequire } from "node:module";
import { createServer } from "node:http2";

const restate = createRequire(process.argv[2] + "/")("@restatedev/restate-sdk");
const STEPS = 10;

const counter = restate.object({
  name: "Counter",
  handlers: {
    add: async (ctx, amount) => {
      const total = ((await ctx.get("total")) ?? 0) + amount;
      ctx.set("total", total);
      return total;
    },
  },
});

const worker = restate.service({
  name: "Worker",
  handlers: {
    work: async (ctx, number) => {
      for (let step = 0; step < STEPS; step++) {
        const before = number;
        number = (await ctx.run("twice", async () => before * 2)) % 1000;
      }
      return number;
    },
  },
});

// The SDK's own serve() would listen on all interfaces.
createServer(restate.createEndpointHandler({ services: [counter, worker] })).listen(Number(process.argv[3]), "127.0.0.1");
