import { createLog } from "@holdfast/shared/log.ts";
import { publishMessage } from "@holdfast/shared/messages.ts";
import { connectRedis, type RedisClient } from "@holdfast/shared/redis.ts";
import { createWorld, eventually, type World } from "@holdfast/testing/world.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { followMessages } from "../src/follow-messages.ts";

describe("following messages", () => {
  let world: World;
  let subscriber: RedisClient;
  let heard: string[];
  let missed: number;
  let failing: boolean;
  let stop: () => void;
  const follow = async () => {
    stop = await followMessages(
      { subscriber, redis: world.redis, log: createLog("test", "silent") },
      world.keys.orderMessages,
      {
        onMessage: (text) => {
          if (text === "unreadable") throw new TypeError("unreadable");
          heard.push(text);
        },
        onGap: async () => {
          missed += 1;
          if (failing) throw new Error("Connection is closed.");
        },
      },
    );
  };
  beforeEach(async () => {
    world = await createWorld({ schema: false });
    subscriber = connectRedis(world.redisUrl, "waiting", () => {});
    heard = [];
    missed = 0;
    failing = false;
    await follow();
  });
  afterEach(async () => {
    stop();
    subscriber.disconnect();
    await world.close();
  });
  const publish = (text: string) => publishMessage(world.redis, world.keys.orderMessages, text);

  test("are heard in their order, and nothing counts as missed", async () => {
    const sent = Array.from({ length: 500 }, (_, i) => `message ${i}\nwith a second line`);
    await Promise.all(sent.map(publish));
    await eventually("all are heard", async () => heard.length === sent.length);
    expect(heard).toEqual(sent);
    await new Promise((resolve) => setTimeout(resolve, 2_700)); // longer than between two looks at the count
    expect(missed).toBe(0);
  });

  test("a lost message is noticed at the next one", async () => {
    await publish("first");
    await eventually("it is heard", async () => heard.length === 1);
    await world.redis.incr(world.keys.orderMessages.counter); // counted, and never sent
    await publish("third");
    await eventually("the gap is noticed", async () => missed === 1, 1_000);
    expect(heard).toEqual(["first", "third"]);
  });

  test("a lost message is noticed within seconds where none comes after it", async () => {
    await world.redis.incr(world.keys.orderMessages.counter);
    await eventually("it is noticed", async () => missed === 1, 5_000);
  });

  test("a Redis that counts anew, being emptied, is noticed", async () => {
    for (const text of ["first", "second"]) await publish(text);
    await eventually("they are heard", async () => heard.length === 2);
    await world.redis.del(world.keys.orderMessages.counter);
    await eventually("it is noticed", async () => missed === 1, 5_000);
    await publish("anew");
    await eventually("messages arrive again", async () => heard.at(-1) === "anew", 1_000);
  });

  test("what could not be read again when it was missed is tried until it can", async () => {
    failing = true;
    await world.redis.incr(world.keys.orderMessages.counter);
    await eventually("it was tried more than once", async () => missed >= 2);
    failing = false;
    const before = missed;
    await eventually("it is tried again", async () => missed === before + 1);
    await new Promise((resolve) => setTimeout(resolve, 2_500)); // longer than between two looks at the count
    expect(missed).toBe(before + 1);
  });

  test("a message that cannot be read ends nothing", async () => {
    await publish("unreadable");
    await publish("readable");
    await eventually("the next are heard", async () => heard.length === 1);
    expect(heard).toEqual(["readable"]);
  });

  test("a message without a number is ignored", async () => {
    for (const text of ["hello", "", "1"]) await world.redis.publish(world.keys.orderMessages.channel, text);
    await publish("real");
    await eventually("the real one is heard", async () => heard.length === 1);
    expect(heard).toEqual(["real"]);
  });
});
