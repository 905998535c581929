using DetectionServer.Work;

namespace FilterPruning.Samples.Tests.Server;

/// <summary>The queue alone, with many threads at it.</summary>
public class WorkQueueTests
{
    [Fact]
    public async Task Every_accepted_job_is_done_or_was_given_up_and_never_more_wait_than_may()
    {
        const int length = 5, workers = 3, clients = 8, each = 500;
        var queue = new WorkQueue(length, TimeProvider.System);
        var accepted = 0;
        var answered = 0;
        var refused = 0;
        var givenUp = 0;
        var answer = new DetectionAnswer(1, 1, []);
        var working = Enumerable.Range(0, workers).Select(_ => Task.Factory.StartNew(
            () =>
            {
                while (queue.Take(out var job))
                {
                    Assert.NotEmpty(job.Image);
                    queue.Finish(job);
                    job.Complete(answer);
                }
            },
            TaskCreationOptions.LongRunning)).ToArray();

        await Task.WhenAll(Enumerable.Range(0, clients).Select(client => Task.Run(async () =>
        {
            var random = new Random(client);
            for (var i = 0; i < each; i++)
            {
                var job = new Job([1], new DetectionRequest([ModelName.Pruned], 0.5, false));
                if (queue.TryAdd(job) != Admission.Accepted)
                {
                    Interlocked.Increment(ref refused);
                    continue;
                }

                Interlocked.Increment(ref accepted);
                Assert.InRange(job.Ahead, 0, length - 1 + workers);
                Assert.InRange(queue.Waiting, 0, length);
                if (random.Next(4) == 0)
                    queue.Abandon(job);
                try
                {
                    Assert.Same(answer, await job.Answer);
                    Interlocked.Increment(ref answered);
                }
                catch (OperationCanceledException)
                {
                    Interlocked.Increment(ref givenUp);
                }
            }
        })));

        await queue.CloseAsync();
        await Task.WhenAll(working);
        Assert.Equal(clients * each, accepted + refused);
        Assert.Equal(accepted, answered + givenUp);
        Assert.Equal((0, 0), (queue.Waiting, queue.Running));
    }

    [Fact]
    public void A_place_in_the_queue_is_what_was_there_before()
    {
        var queue = new WorkQueue(2, TimeProvider.System);
        var jobs = Enumerable.Range(0, 4).Select(_ => new Job([1], new DetectionRequest([], 0.5, false))).ToArray();
        Assert.Equal([Admission.Accepted, Admission.Accepted, Admission.Full], jobs[..3].Select(queue.TryAdd));
        Assert.Equal([0, 1], jobs[..2].Select(job => job.Ahead));

        Assert.True(queue.Take(out var first));
        Assert.Same(jobs[0], first);
        queue.Abandon(jobs[0]); // in work: it is finished
        queue.Abandon(jobs[1]);
        queue.Abandon(jobs[1]);
        Assert.Equal((0, 1), (queue.Waiting, queue.Running));
        Assert.Equal(Admission.Accepted, queue.TryAdd(jobs[2]));
        Assert.Equal(1, jobs[2].Ahead);

        var drained = queue.CloseAsync();
        Assert.Equal(Admission.Closing, queue.TryAdd(jobs[3]));
        queue.Finish(first);
        Assert.False(drained.IsCompleted);
        Assert.True(queue.Take(out var last));
        Assert.Same(jobs[2], last);
        queue.Finish(last);
        Assert.True(drained.IsCompletedSuccessfully);
        Assert.False(queue.Take(out _));
    }
}
