// A client whose types are made from docs/openapi.json. The compiler refuses it if the document
// lacks a path, a header, a status or a field that a client needs.
import createClient from "openapi-fetch";
import type { components, paths } from "./orders.js";

declare const process: { argv: string[] };
const [, , baseUrl] = process.argv;
const client = createClient<paths>({ baseUrl });

const order: components["schemas"]["NewOrder"] = {
  customer_id: "c-1",
  currency: "EUR",
  items: [{ sku: "A-1", quantity: 2, unit_price: 1299 }],
};
const header = { "Idempotency-Key": crypto.randomUUID() };
const accepted = await client.POST("/orders", { body: order, params: { header } });
if (!accepted.data) throw new Error(JSON.stringify(accepted.error));

const path = { id: accepted.data.order_id };
const read = await client.GET("/orders/{id}", { params: { path, header: { Prefer: "wait=5" } } });
if (!read.data) throw new Error(JSON.stringify(read.error));
const total: number = read.data.total;

const batch = await client.POST("/orders/batch", { body: { orders: [order, order] } });
if (!batch.data) throw new Error(JSON.stringify(batch.error));
const statuses: number[] = batch.data.results.map((result) => result.status);

const cancelled = await client.POST("/orders/{id}/cancel", { params: { path } });
if (!cancelled.data) throw new Error(JSON.stringify(cancelled.error));

// @ts-expect-error The document has no such field.
const wrong: components["schemas"]["NewOrder"] = { ...order, coupon: "SPRING" };

console.log(JSON.stringify({ total, statuses, intent: cancelled.data.intent_id }));
