// What a program does that was written for Restate: it calls, sends, waits, attaches, and reads outputs.
import * as clients from "@restatedev/restate-sdk-clients";

const [url, token] = process.argv.slice(2);
const ingress = clients.connect({ url, headers: { Authorization: `Bearer ${token}` } });
const said = {};

const account = { name: "Account" };
const task = { name: "Task" };
const once = { name: "Once" };

said.called = await ingress.objectClient(account, "a/b ü").deposit(5);
said.again = await ingress.objectClient(account, "a/b ü").deposit(5, clients.Opts.from({ idempotencyKey: "k" }));
said.repeated = await ingress.objectClient(account, "a/b ü").deposit(5, clients.Opts.from({ idempotencyKey: "k" }));
said.read = await ingress.objectClient(account, "a/b ü").read();
said.generic = await ingress.call({ service: "Account", key: "x", handler: "deposit", parameter: 1 });

const sent = await ingress.serviceSendClient(task).echo("hello", clients.SendOpts.from({ idempotencyKey: "s" }));
said.sent = [sent.status, sent.attachable, sent.invocationId.length];
said.result = await ingress.result(sent);
said.sentAgain = (await ingress.serviceSendClient(task).echo("hello", clients.SendOpts.from({ idempotencyKey: "s" }))).status;

const delayed = await ingress.objectSendClient(account, "later").deposit(1, clients.SendOpts.from({ delay: 3600_000 }));
said.delayed = delayed.invocationId;

const workflow = ingress.workflowClient(once, "w");
said.submitted = (await workflow.workflowSubmit(7)).status;
said.notReady = (await workflow.workflowOutput()).ready;
await workflow.release();
said.attached = await workflow.workflowAttach();
said.output = (await workflow.workflowOutput()).result;
said.submittedAgain = (await workflow.workflowSubmit(7)).status;

async function failing(promise) {
  try {
    await promise;
    return "no error";
  } catch (error) {
    return [error.constructor.name, error.status, JSON.parse(error.responseText).title];
  }
}

said.terminal = await failing(ingress.objectClient(account, "poor").withdraw(5));
said.unknown = await failing(ingress.objectClient({ name: "Nobody" }, "x").nothing());
said.refused = await failing(ingress.objectClient(account, "x").deposit("five"));
said.conflict = await failing(ingress.serviceClient(task).echo("other", clients.Opts.from({ idempotencyKey: "s" })));

console.log(JSON.stringify(said));
