/**
 * The API's types, written by `npm run openapi` from openapi.json.
 */
export interface paths {
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Alive */
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/items": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What is on sale */
        get: operations["listItems"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/items/{itemId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One item */
        get: operations["getItem"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/alarms": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The alarms that stand now */
        get: operations["listAlarms"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who changed what, when and from where */
        get: operations["listAudit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/items": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Everything about the items, their books included */
        get: operations["listItemsForOperations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/items/{itemId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Everything about an item, its books included */
        get: operations["getItemForOperations"];
        /** Put an item on sale */
        put: operations["putItem"];
        post?: never;
        /** Delete all of a rehearsal's item (rehearsal-…); any other is kept */
        delete: operations["deleteRehearsal"];
        options?: never;
        head?: never;
        /** Change an item's terms; what is not named stays */
        patch: operations["changeItem"];
        trace?: never;
    };
    "/ops/api/items/{itemId}/books": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The books of an item */
        get: operations["getBooks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/items/{itemId}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stop the sale of an item for now */
        post: operations["pauseItem"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/items/{itemId}/restock": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Add units, or withdraw unsold ones */
        post: operations["restockItem"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/items/{itemId}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Go on with the sale of an item */
        post: operations["resumeItem"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/jobs/{jobId}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Put a dead job in line again */
        post: operations["replayJob"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/jobs/failed": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Jobs that failed for good, with their reasons */
        get: operations["listDeadJobs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/lanes/{lane}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a lane decide no further orders for now */
        post: operations["pauseLane"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/lanes/{lane}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a lane go on */
        post: operations["resumeLane"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/live": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The sale as it is now, as server-sent events
         * @description `history` once, with the last fifteen minutes; then `sale` whenever it has changed.
         */
        get: operations["followSale"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who one is here, and what one may do */
        get: operations["getOperator"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/orders": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Decided orders, newest first: of an item, a status, a shopper, a payment
         * @description An order still in line is only in Redis, and is its shopper's to see.
         */
        get: operations["searchOrders"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/orders/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** An order with its whole story */
        get: operations["getOrderStory"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/orders/{id}/recheck": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask the provider now what became of an order's payment */
        post: operations["recheckOrder"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/orders/{id}/refund": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Refund an order, the whole amount; once, however often it is asked for */
        post: operations["refundOrder"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/orders/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All decided orders of an item as a file */
        get: operations["exportOrders"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/payments/recheck": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ask the provider now about all payments and refunds that are held up */
        post: operations["recheckPayments"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ops/api/shoppers/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All that is known of a shopper */
        get: operations["getShopper"];
        put?: never;
        post?: never;
        /** Forget a shopper: identity replaced, orders kept */
        delete: operations["forgetShopper"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/orders": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One's own orders, newest first */
        get: operations["listOrders"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/orders/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Where an order stands */
        get: operations["getOrder"];
        put?: never;
        post?: never;
        /** Cancel an order that is in line, or held and unpaid */
        delete: operations["cancelOrder"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/orders/{id}/payment": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Pay with another card while the hold lasts, after a decline or instead of the bank's question */
        post: operations["payWithAnotherCard"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/purchase/{itemId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Buy units of an item */
        post: operations["buy"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Can accept purchases */
        get: operations["getReadiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Become a guest shopper */
        post: operations["createSession"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/webhooks/stripe": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Events of the payment provider */
        post: operations["receiveStripeEvent"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** Alarm */
        Alarm: {
            /** @description what exactly */
            detail: string;
            /** @description its name, and whom it is about where there can be several: `lane_paused:3` */
            id: string;
            /** @enum {string} */
            name: "redis_unavailable" | "postgres_unavailable" | "postgres_read_only" | "postgres_behind" | "replicas_missing" | "no_worker" | "worker_lost" | "api_server_lost" | "lane_paused" | "line_stalled" | "charge_backlog_long" | "holds_overdue" | "books_off" | "dead_jobs" | "shop_webhooks_failing" | "requests_shed" | "event_loop_slow" | "clock_off" | "provider_refuses" | "provider_unavailable" | "cards_unknown" | "payment_unknown_too_long" | "payment_unmatched_too_long" | "payment_stuck" | "paid_another_amount" | "refund_failed" | "refund_refused" | "totals_off" | "reconcile_differs" | "night_failed" | "redis_emptied" | "redis_restored" | "orders_without_job" | "shop_events_late" | "shop_event_dead" | "shop_events_ended";
            /** @description what is the matter and what to do; the same as in docs/runbook.md */
            sentence: string;
            /** @enum {string} */
            severity: "critical" | "warning";
            /** Format: date-time */
            since: string;
        };
        /** Alarms */
        Alarms: {
            alarms: components["schemas"]["Alarm"][];
        };
        /** AllRechecked */
        AllRechecked: {
            orders: number;
        };
        /** AskedRefund */
        AskedRefund: {
            id: string;
            refund: {
                reason: string | null;
                /** Format: date-time */
                requestedAt: string;
                returnUnits: boolean;
            } | null;
            /** @enum {string} */
            status: "queued" | "reserved" | "confirmed" | "refunded" | "cancelled" | "out_of_stock" | "rejected";
        };
        /** AuditPage */
        AuditPage: {
            entries: {
                action: string;
                address: string;
                after: {
                    [key: string]: unknown;
                } | null;
                /** Format: date-time */
                at: string;
                before: {
                    [key: string]: unknown;
                } | null;
                id: number;
                operator: string;
                subject: string;
            }[];
            /** @description what `after` takes for the next page */
            next: string | null;
        };
        /** Books */
        Books: {
            balanced: boolean;
            /** @description units of paid orders */
            confirmed: number;
            /** @description units left to reserve */
            inventory: number;
            itemId: string;
            /** @description units held for orders that are not paid yet */
            reserved: number;
            /** @description inventory + reserved + confirmed, where the books balance */
            stocked: number;
        };
        /** DeadJobs */
        DeadJobs: {
            jobs: {
                /** Format: date-time */
                failedAt: string;
                /** @description what replay takes: `lane-0/job-…`, `webhook/evt_…` */
                id: string;
                itemId: string | null;
                orders: number | null;
                queue: string;
                reason: string;
                title: string;
            }[];
        };
        /** DeletedRehearsal */
        DeletedRehearsal: {
            deleted: string;
        };
        /** ForgottenShopper */
        ForgottenShopper: {
            /** @description orders */
            forgotten: number;
            /** @description what stands in its place */
            shopperId: string;
        };
        /** Health */
        Health: {
            status: string;
        };
        /**
         * Item
         * @example {
         *       "id": "item_123",
         *       "name": "Poster",
         *       "price": 1900,
         *       "currency": "eur",
         *       "available": 100,
         *       "status": "available",
         *       "opensAt": null,
         *       "closesAt": null
         *     }
         */
        Item: {
            /** @description units left to reserve */
            available: number;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            closesAt: string | null;
            currency: string;
            id: string;
            name: string;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            opensAt: string | null;
            /** @description in the currency's minor unit */
            price: number;
            /** @enum {string} */
            status: "ended" | "scheduled" | "paused" | "out_of_stock" | "available";
        };
        /** ItemChange */
        ItemChange: {
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            closesAt?: string | null;
            /** @description ISO 4217, lower case */
            currency?: string;
            holdSeconds?: number;
            maxPerShopper?: number | null;
            name?: string;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            opensAt?: string | null;
            paymentRetries?: number;
            /** @description per unit, in the currency's minor unit */
            price?: number;
        };
        /** ItemForOperations */
        ItemForOperations: {
            /** @description units left to reserve */
            available: number;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            closesAt: string | null;
            currency: string;
            holdSeconds: number;
            id: string;
            maxPerShopper: number | null;
            name: string;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            opensAt: string | null;
            /** @description whether operations have stopped its sale for now */
            paused: boolean;
            paymentRetries: number;
            /** @description in the currency's minor unit */
            price: number;
            /** @enum {string} */
            status: "ended" | "scheduled" | "paused" | "out_of_stock" | "available";
            /** @description all units ever placed on sale, less those withdrawn */
            stocked: number;
        };
        /** ItemsWithBooks */
        ItemsWithBooks: {
            items: components["schemas"]["ItemWithBooks"][];
        };
        /** ItemTerms */
        ItemTerms: {
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            closesAt?: string | null;
            /** @description ISO 4217, lower case */
            currency: string;
            /** @default 600 */
            holdSeconds: number;
            maxPerShopper?: number | null;
            name: string;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            opensAt?: string | null;
            /** @default 0 */
            paymentRetries: number;
            /** @description per unit, in the currency's minor unit */
            price: number;
            /** @description put on sale */
            units: number;
        };
        /** ItemWithBooks */
        ItemWithBooks: {
            /** @description units left to reserve */
            available: number;
            books: {
                balanced: boolean;
                /** @description units of paid orders */
                confirmed: number;
                /** @description units left to reserve */
                inventory: number;
                /** @description units held for orders that are not paid yet */
                reserved: number;
                /** @description inventory + reserved + confirmed, where the books balance */
                stocked: number;
            };
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            closesAt: string | null;
            currency: string;
            holdSeconds: number;
            id: string;
            maxPerShopper: number | null;
            name: string;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            opensAt: string | null;
            /** @description whether operations have stopped its sale for now */
            paused: boolean;
            paymentRetries: number;
            /** @description in the currency's minor unit */
            price: number;
            /** @description units of refunded orders */
            refunded: number;
            /** @description what of it went back */
            refundedAmount: number;
            /** @enum {string} */
            status: "ended" | "scheduled" | "paused" | "out_of_stock" | "available";
            /** @description all units ever placed on sale, less those withdrawn */
            stocked: number;
            /** @description of all orders that were ever confirmed, in the currency's minor unit */
            taken: number;
        };
        /** Lane */
        Lane: {
            number: number;
            paused: boolean;
        };
        /** Operator */
        Operator: {
            operator: string;
            /** @enum {string} */
            role: "look" | "act";
        };
        /**
         * Order
         * @example {
         *       "id": "0199b4f0-6c1e-7f7a-9d5e-2f1c3a4b5d6e",
         *       "itemId": "item_123",
         *       "quantity": 1,
         *       "amount": 1900,
         *       "currency": "eur",
         *       "status": "confirmed",
         *       "reason": null,
         *       "message": "Success",
         *       "position": null,
         *       "estimatedSeconds": null,
         *       "payment": {
         *         "status": "succeeded",
         *         "clientSecret": null,
         *         "declineCode": null
         *       },
         *       "metadata": {
         *         "email": "ann@example.com"
         *       },
         *       "placedAt": "2026-11-27T09:00:00.012Z",
         *       "reservedAt": "2026-11-27T09:00:00.087Z",
         *       "settledAt": "2026-11-27T09:00:01.654Z",
         *       "holdExpiresAt": null
         *     }
         */
        Order: {
            /** @description in the currency's minor unit */
            amount: number;
            currency: string;
            /** @description until it is decided, then until its payment is tried, at the pace of the moment */
            estimatedSeconds: number | null;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            holdExpiresAt: string | null;
            /** Format: uuid */
            id: string;
            itemId: string;
            /** @description what to tell the shopper */
            message: string;
            /** @description what the shop sent with the purchase */
            metadata: {
                [key: string]: string;
            } | null;
            payment: {
                clientSecret: string | null;
                /** @description the provider's or the bank's code; `stale_token` for a card that could not be tried */
                declineCode: string | null;
                /** @enum {string|null} */
                status: "pending" | "requires_action" | "processing" | "succeeded" | "declined" | "unknown" | "refunded" | null;
            };
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            placedAt: string;
            /** @description place among the queued orders of the same item while queued, 1 is next */
            position: number | null;
            quantity: number;
            /** @enum {string|null} */
            reason: "limit_exceeded" | "sale_not_open" | "item_not_found" | "payment_failed" | "hold_expired" | "by_shopper" | null;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            reservedAt: string | null;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            settledAt: string | null;
            /** @enum {string} */
            status: "queued" | "reserved" | "confirmed" | "refunded" | "cancelled" | "out_of_stock" | "rejected";
        };
        /** OrderForOperations */
        OrderForOperations: {
            /** @description in the currency's minor unit */
            amount: number;
            attempts: number;
            currency: string;
            disputed: boolean;
            /** @description until it is decided, then until its payment is tried, at the pace of the moment */
            estimatedSeconds: number | null;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            holdExpiresAt: string | null;
            /** Format: uuid */
            id: string;
            itemId: string;
            /** @description what to tell the shopper */
            message: string;
            /** @description what the shop sent with the purchase */
            metadata: {
                [key: string]: string;
            } | null;
            payment: {
                declineCode: string | null;
                status: string | null;
            };
            /** @description the provider's id of the payment that the order goes by */
            paymentIntent: string | null;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            placedAt: string;
            /** @description place among the queued orders of the same item while queued, 1 is next */
            position: number | null;
            quantity: number;
            /** @enum {string|null} */
            reason: "limit_exceeded" | "sale_not_open" | "item_not_found" | "payment_failed" | "hold_expired" | "by_shopper" | null;
            refund: {
                reason: string | null;
                /** Format: date-time */
                requestedAt: string;
                returnUnits: boolean;
            } | null;
            /** @description in the currency's minor unit */
            refundedAmount: number;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            reservedAt: string | null;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            settledAt: string | null;
            shopperId: string;
            /** @enum {string} */
            status: "queued" | "reserved" | "confirmed" | "refunded" | "cancelled" | "out_of_stock" | "rejected";
        };
        /** OrderPage */
        OrderPage: {
            /** @description what `after` takes for the next page; null on the last */
            next: string | null;
            orders: components["schemas"]["Order"][];
        };
        /** OrderPageForOperations */
        OrderPageForOperations: {
            /** @description what `after` takes */
            next: string | null;
            orders: components["schemas"]["OrderForOperations"][];
        };
        /** OrderStory */
        OrderStory: {
            /** @description in the currency's minor unit */
            amount: number;
            attempts: number;
            currency: string;
            disputed: boolean;
            /** @description until it is decided, then until its payment is tried, at the pace of the moment */
            estimatedSeconds: number | null;
            /** @description oldest first */
            events: {
                /** Format: date-time */
                at: string;
                detail: {
                    [key: string]: unknown;
                };
                event: string;
                from: string;
                /** @description what happened, to be read to a customer */
                sentence: string;
                to: string;
            }[];
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            holdExpiresAt: string | null;
            /** Format: uuid */
            id: string;
            itemId: string;
            /** @description what to tell the shopper */
            message: string;
            /** @description what the shop sent with the purchase */
            metadata: {
                [key: string]: string;
            } | null;
            /** @description payments at the provider that the order does not go by */
            otherPayments: {
                nextStep: string | null;
                /** Format: date-time */
                noticedAt: string;
                outcome: string | null;
                paymentIntent: string | null;
            }[];
            payment: {
                declineCode: string | null;
                status: string | null;
            };
            /** @description the provider's id of the payment that the order goes by */
            paymentIntent: string | null;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            placedAt: string;
            /** @description place among the queued orders of the same item while queued, 1 is next */
            position: number | null;
            quantity: number;
            /** @enum {string|null} */
            reason: "limit_exceeded" | "sale_not_open" | "item_not_found" | "payment_failed" | "hold_expired" | "by_shopper" | null;
            refund: {
                reason: string | null;
                /** Format: date-time */
                requestedAt: string;
                returnUnits: boolean;
            } | null;
            /** @description in the currency's minor unit */
            refundedAmount: number;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            reservedAt: string | null;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            settledAt: string | null;
            shopperId: string;
            /** @enum {string} */
            status: "queued" | "reserved" | "confirmed" | "refunded" | "cancelled" | "out_of_stock" | "rejected";
        };
        /** Payment */
        Payment: {
            /** @description made in the browser by Stripe's Payment Element, ctoken_…; good for one try */
            confirmationToken?: string;
            /** @description a payment method of the provider, pm_… */
            paymentMethod?: string;
        } & (unknown | unknown);
        /**
         * Problem
         * @description RFC 9457
         * @example {
         *       "type": "/problems/out_of_stock",
         *       "title": "Out of stock",
         *       "status": 409,
         *       "detail": "All units are sold or held for others. A unit may come back if a payment fails.",
         *       "code": "out_of_stock"
         *     }
         */
        Problem: {
            /** @enum {string} */
            code: "unauthenticated" | "foreign_page" | "forbidden" | "precondition_failed" | "item_exists" | "item_kept" | "order_not_refundable" | "order_not_found" | "item_not_found" | "lane_not_found" | "job_not_found" | "route_not_found" | "method_not_allowed" | "out_of_stock" | "sale_not_open" | "sale_paused" | "sale_ended" | "payment_in_progress" | "payment_not_expected" | "order_settled" | "shopper_has_open_orders" | "job_not_dead" | "insufficient_inventory" | "invalid_request" | "request_timeout" | "payload_too_large" | "unsupported_media_type" | "idempotency_key_reused" | "rate_limited" | "headers_too_large" | "busy" | "unavailable" | "internal";
            detail: string;
            errors?: {
                field: string;
                message: string;
            }[];
            requestId?: string;
            status: number;
            title: string;
            type: string;
        };
        /** Purchase */
        Purchase: {
            /** @description made in the browser by Stripe's Payment Element, ctoken_…; good for one try */
            confirmationToken?: string;
            /** @description the shop's own, kept with the order and shown again: at most 20 names of up to 40 characters with values of up to 500, 4 KB in all; no card data */
            metadata?: {
                [key: string]: string;
            };
            /** @description a payment method of the provider, pm_… */
            paymentMethod?: string;
            /** @default 1 */
            quantity: number;
        } & (unknown | unknown);
        /** PutItem */
        PutItem: {
            /** @description units left to reserve */
            available: number;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            closesAt: string | null;
            currency: string;
            holdSeconds: number;
            id: string;
            maxPerShopper: number | null;
            name: string;
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            opensAt: string | null;
            /** @description whether operations have stopped its sale for now */
            paused: boolean;
            paymentRetries: number;
            /** @description in the currency's minor unit */
            price: number;
            /** @enum {string} */
            status: "ended" | "scheduled" | "paused" | "out_of_stock" | "available";
            /** @description all units ever placed on sale, less those withdrawn */
            stocked: number;
            /** @description what is allowed, and will hardly be what was meant */
            warnings?: {
                code: string;
                detail: string;
            }[];
        };
        /** Readiness */
        Readiness: {
            ordersLost?: {
                cause: string;
                noticedAt: string;
            };
            postgres: string;
            redis: string;
            status: string;
        };
        /** Rechecked */
        Rechecked: {
            id: string;
            /** @enum {string} */
            status: "queued" | "reserved" | "confirmed" | "refunded" | "cancelled" | "out_of_stock" | "rejected";
        };
        /** RefundRequest */
        RefundRequest: {
            reason?: string;
            /** @description whether its units are on sale again afterwards */
            returnUnits: boolean;
        };
        /** Replayed */
        Replayed: {
            id: string;
            /** @enum {string} */
            outcome: "waits";
        };
        /** Restock */
        Restock: {
            /** @description negative withdraws */
            units: number;
        };
        /** Session */
        Session: {
            /**
             * Format: date-time
             * @description ISO 8601, UTC
             */
            expiresAt: string;
            shopperId: string;
            /** @description sent as Authorization: Bearer … */
            token: string;
        };
        /** Shopper */
        Shopper: {
            /** @description orders that are not decided yet */
            inLine: {
                amount: number;
                currency: string;
                id: string;
                itemId: string;
                metadata: {
                    [key: string]: string;
                } | null;
                /** Format: date-time */
                placedAt: string;
                quantity: number;
            }[];
            /** @description whether there are more orders than these */
            more: boolean;
            /** @description newest first, a thousand at most */
            orders: components["schemas"]["OrderStory"][];
            shopperId: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the process answers */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    listItems: {
        parameters: {
            query?: never;
            header?: {
                /** @description an ETag: 304 where nothing has changed since */
                "if-none-match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description all items, by id */
            200: {
                headers: {
                    "cache-control": string;
                    /** @description what If-None-Match takes */
                    etag: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Item"][];
                };
            };
            /** @description it is as the client has it */
            304: {
                headers: {
                    "cache-control": string;
                    /** @description what If-None-Match takes */
                    etag: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getItem: {
        parameters: {
            query?: never;
            header?: {
                /** @description an ETag: 304 where nothing has changed since */
                "if-none-match"?: string;
            };
            path: {
                itemId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the item */
            200: {
                headers: {
                    "cache-control": string;
                    /** @description what If-None-Match takes */
                    etag: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "item_123",
                     *       "name": "Poster",
                     *       "price": 1900,
                     *       "currency": "eur",
                     *       "available": 100,
                     *       "status": "available",
                     *       "opensAt": null,
                     *       "closesAt": null
                     *     }
                     */
                    "application/json": components["schemas"]["Item"];
                };
            };
            /** @description it is as the client has it */
            304: {
                headers: {
                    "cache-control": string;
                    /** @description what If-None-Match takes */
                    etag: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `item_not_found`: Item not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listAlarms: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the worst first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Alarms"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listAudit: {
        parameters: {
            query?: {
                /** @description `next` of the page before */
                after?: string;
                /** @description from 1 to 100 (50) */
                limit?: string;
                /** @description such as `item kettle`, `order <id>` */
                subject?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditPage"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listItemsForOperations: {
        parameters: {
            query?: {
                /** @description only ids that begin so */
                prefix?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the items, by id; a thousand at most */
            200: {
                headers: {
                    /** @description of the whole answer */
                    etag: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ItemsWithBooks"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getItemForOperations: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                itemId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the item */
            200: {
                headers: {
                    /** @description of the item's terms: what If-Match takes */
                    etag: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ItemWithBooks"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `item_not_found`: Item not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    putItem: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                itemId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ItemTerms"];
            };
        };
        responses: {
            /** @description the item: it was put on sale with these terms before */
            200: {
                headers: {
                    /** @description of the item's terms: what If-Match takes */
                    etag: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PutItem"];
                };
            };
            /** @description the item, put on sale */
            201: {
                headers: {
                    /** @description of the item's terms: what If-Match takes */
                    etag: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PutItem"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page; `forbidden`: Not with this role */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `item_exists`: Another item has this id */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    deleteRehearsal: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                itemId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the item, its orders and their events are gone */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeletedRehearsal"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page; `forbidden`: Not with this role */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `item_not_found`: Item not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `item_kept`: The item is kept */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    changeItem: {
        parameters: {
            query?: never;
            header?: {
                /** @description the ETag that was seen: 412 where it was changed since */
                "if-match"?: string;
            };
            path: {
                itemId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ItemChange"];
            };
        };
        responses: {
            /** @description the item, changed */
            200: {
                headers: {
                    /** @description of the item's terms: what If-Match takes */
                    etag: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ItemForOperations"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page; `forbidden`: Not with this role */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `item_not_found`: Item not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `precondition_failed`: It was changed meanwhile */
            412: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getBooks: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                itemId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the books */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Books"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `item_not_found`: Item not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    pauseItem: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                itemId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the item */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ItemForOperations"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page; `forbidden`: Not with this role */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `item_not_found`: Item not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    restockItem: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                itemId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Restock"];
            };
        };
        responses: {
            /** @description the item with its units changed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ItemForOperations"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page; `forbidden`: Not with this role */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `item_not_found`: Item not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `insufficient_inventory`: Fewer units are unsold */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    resumeItem: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                itemId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the item */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ItemForOperations"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page; `forbidden`: Not with this role */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `item_not_found`: Item not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    replayJob: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                jobId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description it is in line again */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Replayed"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page; `forbidden`: Not with this role */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `job_not_found`: Job not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `job_not_dead`: The job is not dead */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listDeadJobs: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description a hundred of each queue at most */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeadJobs"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    pauseLane: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                lane: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the lane */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Lane"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page; `forbidden`: Not with this role */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `lane_not_found`: Lane not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    resumeLane: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                lane: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the lane */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Lane"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page; `forbidden`: Not with this role */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `lane_not_found`: Lane not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    followSale: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description a stream that does not end */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `busy`: Too many are in line; `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getOperator: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the operator */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Operator"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    searchOrders: {
        parameters: {
            query?: {
                /** @description `next` of the page before */
                after?: string;
                item?: string;
                /** @description from 1 to 100 (50) */
                limit?: string;
                /** @description the provider's id, pi_… */
                payment?: string;
                shopper?: string;
                status?: "queued" | "reserved" | "confirmed" | "refunded" | "cancelled" | "out_of_stock" | "rejected";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description a page of orders */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OrderPageForOperations"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getOrderStory: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the order */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OrderStory"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `order_not_found`: Order not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    recheckOrder: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description it is asked */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Rechecked"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page; `forbidden`: Not with this role */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `order_not_found`: Order not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    refundOrder: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RefundRequest"];
            };
        };
        responses: {
            /** @description it is asked for; the order becomes refunded when the provider has done it */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AskedRefund"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page; `forbidden`: Not with this role */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `order_not_found`: Order not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `order_not_refundable`: The order cannot be refunded */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    exportOrders: {
        parameters: {
            query?: {
                format?: "csv" | "ndjson";
                /** @description all items without it */
                item?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description a line for each order */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": string;
                    "text/csv": string;
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `busy`: Too many are in line; `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    recheckPayments: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description of how many orders it is asked */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AllRechecked"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page; `forbidden`: Not with this role */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getShopper: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the shopper's orders */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Shopper"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    forgetShopper: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description forgotten */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ForgottenShopper"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `foreign_page`: Not from another page; `forbidden`: Not with this role */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `shopper_has_open_orders`: An order is not settled yet */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listOrders: {
        parameters: {
            query?: {
                /** @description `next` of the page before */
                after?: string;
                /** @description from 1 to 100 (50) */
                limit?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description a page of orders */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OrderPage"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getOrder: {
        parameters: {
            query?: never;
            header?: {
                /** @description an ETag: 304 where nothing has changed since */
                "if-none-match"?: string;
                /** @description wait=N (RFC 7240): the answer is held for a change, N seconds at most, N up to 30 */
                prefer?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the order */
            200: {
                headers: {
                    /** @description what If-None-Match takes */
                    etag: string;
                    /** @description wait=N, where it was asked for */
                    "preference-applied"?: string;
                    /** @description seconds, while it is not final */
                    "retry-after"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "0199b4f0-6c1e-7f7a-9d5e-2f1c3a4b5d6e",
                     *       "itemId": "item_123",
                     *       "quantity": 1,
                     *       "amount": 1900,
                     *       "currency": "eur",
                     *       "status": "confirmed",
                     *       "reason": null,
                     *       "message": "Success",
                     *       "position": null,
                     *       "estimatedSeconds": null,
                     *       "payment": {
                     *         "status": "succeeded",
                     *         "clientSecret": null,
                     *         "declineCode": null
                     *       },
                     *       "metadata": {
                     *         "email": "ann@example.com"
                     *       },
                     *       "placedAt": "2026-11-27T09:00:00.012Z",
                     *       "reservedAt": "2026-11-27T09:00:00.087Z",
                     *       "settledAt": "2026-11-27T09:00:01.654Z",
                     *       "holdExpiresAt": null
                     *     }
                     */
                    "application/json": components["schemas"]["Order"];
                };
            };
            /** @description it is as the client has it */
            304: {
                headers: {
                    /** @description what If-None-Match takes */
                    etag: string;
                    /** @description wait=N, where it was asked for */
                    "preference-applied"?: string;
                    /** @description seconds, while it is not final */
                    "retry-after"?: number;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `order_not_found`: Order not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    cancelOrder: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the order, cancelled */
            200: {
                headers: {
                    /** @description what If-None-Match takes */
                    etag: string;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "0199b4f0-6c1e-7f7a-9d5e-2f1c3a4b5d6e",
                     *       "itemId": "item_123",
                     *       "quantity": 1,
                     *       "amount": 1900,
                     *       "currency": "eur",
                     *       "status": "confirmed",
                     *       "reason": null,
                     *       "message": "Success",
                     *       "position": null,
                     *       "estimatedSeconds": null,
                     *       "payment": {
                     *         "status": "succeeded",
                     *         "clientSecret": null,
                     *         "declineCode": null
                     *       },
                     *       "metadata": {
                     *         "email": "ann@example.com"
                     *       },
                     *       "placedAt": "2026-11-27T09:00:00.012Z",
                     *       "reservedAt": "2026-11-27T09:00:00.087Z",
                     *       "settledAt": "2026-11-27T09:00:01.654Z",
                     *       "holdExpiresAt": null
                     *     }
                     */
                    "application/json": components["schemas"]["Order"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `order_not_found`: Order not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `order_settled`: The order is settled; `payment_in_progress`: A payment is under way */
            409: {
                headers: {
                    /** @description seconds */
                    "retry-after"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    payWithAnotherCard: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters; a repeat is the same order, or the same try of a card */
                "idempotency-key"?: string;
            };
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Payment"];
            };
        };
        responses: {
            /** @description the order, to be paid with the other card */
            202: {
                headers: {
                    /** @description what If-None-Match takes */
                    etag: string;
                    /** @description where to follow the order: /orders/{id} */
                    location: string;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "0199b4f0-6c1e-7f7a-9d5e-2f1c3a4b5d6e",
                     *       "itemId": "item_123",
                     *       "quantity": 1,
                     *       "amount": 1900,
                     *       "currency": "eur",
                     *       "status": "confirmed",
                     *       "reason": null,
                     *       "message": "Success",
                     *       "position": null,
                     *       "estimatedSeconds": null,
                     *       "payment": {
                     *         "status": "succeeded",
                     *         "clientSecret": null,
                     *         "declineCode": null
                     *       },
                     *       "metadata": {
                     *         "email": "ann@example.com"
                     *       },
                     *       "placedAt": "2026-11-27T09:00:00.012Z",
                     *       "reservedAt": "2026-11-27T09:00:00.087Z",
                     *       "settledAt": "2026-11-27T09:00:01.654Z",
                     *       "holdExpiresAt": null
                     *     }
                     */
                    "application/json": components["schemas"]["Order"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `order_not_found`: Order not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payment_not_expected`: No other card is expected */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `idempotency_key_reused`: This Idempotency-Key was used for another purchase */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    buy: {
        parameters: {
            query?: never;
            header?: {
                /** @description 1 to 255 visible ASCII characters; a repeat is the same order, or the same try of a card */
                "idempotency-key"?: string;
                /** @description wait=N (RFC 7240): the answer is held for a change, N seconds at most, N up to 30 */
                prefer?: string;
            };
            path: {
                itemId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                /**
                 * @example {
                 *       "quantity": 1,
                 *       "paymentMethod": "pm_card_visa",
                 *       "metadata": {
                 *         "email": "ann@example.com"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["Purchase"];
            };
        };
        responses: {
            /** @description the order, in line or as it stands */
            202: {
                headers: {
                    /** @description what If-None-Match takes */
                    etag: string;
                    /** @description where to follow the order: /orders/{id} */
                    location: string;
                    /** @description wait=N, where it was asked for */
                    "preference-applied"?: string;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "id": "0199b4f0-6c1e-7f7a-9d5e-2f1c3a4b5d6e",
                     *       "itemId": "item_123",
                     *       "quantity": 1,
                     *       "amount": 1900,
                     *       "currency": "eur",
                     *       "status": "confirmed",
                     *       "reason": null,
                     *       "message": "Success",
                     *       "position": null,
                     *       "estimatedSeconds": null,
                     *       "payment": {
                     *         "status": "succeeded",
                     *         "clientSecret": null,
                     *         "declineCode": null
                     *       },
                     *       "metadata": {
                     *         "email": "ann@example.com"
                     *       },
                     *       "placedAt": "2026-11-27T09:00:00.012Z",
                     *       "reservedAt": "2026-11-27T09:00:00.087Z",
                     *       "settledAt": "2026-11-27T09:00:01.654Z",
                     *       "holdExpiresAt": null
                     *     }
                     */
                    "application/json": components["schemas"]["Order"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unauthenticated`: Sign in first */
            401: {
                headers: {
                    "www-authenticate": string;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `item_not_found`: Item not found */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `out_of_stock`: Out of stock; `sale_not_open`: The sale is not open yet; `sale_paused`: The sale is paused; `sale_ended`: The sale is over */
            409: {
                headers: {
                    /** @description seconds */
                    "retry-after"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `idempotency_key_reused`: This Idempotency-Key was used for another purchase */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `busy`: Too many are in line; `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description where to look for the order, which may be in line all the same */
                    location?: string;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getReadiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description it can */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            /** @description it cannot now */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Readiness"];
                };
            };
        };
    };
    createSession: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description a guest's token */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Session"];
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    receiveStripeEvent: {
        parameters: {
            query?: never;
            header?: {
                /** @description over the raw body: https://docs.stripe.com/webhooks#verify-manually */
                "stripe-signature"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    data: {
                        object: {
                            id?: unknown;
                            /** @description ours: the order's id */
                            metadata?: unknown;
                            /** @description payment_intent, charge, … */
                            object?: string;
                            /** @description the payment's id, in an event about a charge */
                            payment_intent?: unknown;
                        };
                    };
                    id: string;
                    type: string;
                };
            };
        };
        responses: {
            /** @description the event is queued */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        received: boolean;
                    };
                };
            };
            /** @description `invalid_request`: The request does not fit */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `payload_too_large`: The body is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unsupported_media_type`: The body must be application/json */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `rate_limited`: Too many requests */
            429: {
                headers: {
                    "ratelimit-limit"?: number;
                    "ratelimit-remaining"?: number;
                    "ratelimit-reset"?: number;
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `headers_too_large`: The headers are too large */
            431: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `internal`: Something went wrong on our side */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description `unavailable`: Not available at the moment */
            503: {
                headers: {
                    /** @description seconds */
                    "retry-after": number;
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
