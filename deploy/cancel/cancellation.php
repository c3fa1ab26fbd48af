<?php
/*
 * What syncd gives a program that cancels an order, and what it wants back. The programs beside this file begin with
 * it.
 *
 * On stdin comes one JSON object: `id` (the same at each attempt), `order_id` (the number that the buyer knows),
 * `shop_id` (the shop's own key), `uuid`, `reason`; what is not known is "". The program ends with
 *
 *    0  the order is cancelled
 *   10  the shop refuses: stdout is one line for the buyer to read
 *    2  anything else: stderr says what went wrong, for syncd's log, and the buyer is asked to try again. Any other
 *       status means the same; PHP itself crashes with 1 and 255
 *
 * The shop's own code runs in this process. It may print, redirect, die or crash anywhere, and that is no decision of
 * the shop's:
 *  - stdout is taken away from it before it starts, from its mail program too. Only end() writes there.
 *  - Whoever ends this process without a decision, with whatever status, has made it fail.
 *
 * PHP 7.4 or later, no extension but json and pcre.
 */

namespace Syncd;

/** The shop's decision against it. The message is what the buyer reads. */
final class Refusal extends \Exception
{
}

/** Something of the set-up or the request is wrong. The message is for the log. */
final class Fault extends \Exception
{
}

final class Cancellation
{
    /* The words for the buyer. */
    public const REFUSED = 'Этот заказ уже нельзя отменить. Пожалуйста, свяжитесь с магазином.';
    public const NOT_KNOWN = 'Заказ пока не найден. '
        . 'Попробуйте ещё раз через несколько минут или свяжитесь с магазином.';

    private const LONGEST_INPUT = 65536;
    private const FATAL = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;

    public string $orderId = '';
    public string $shopId = '';

    /** What the staff read in the order: one line of text, without characters that 3-byte utf8 tables refuse. */
    public string $comment = '';

    /** The shop's folder, with no slash at its end. */
    public string $folder = '';

    /** @var string[] */
    private array $arguments;
    private string $usage;
    private ?int $status = null;
    private string $printed = '';

    /** @var resource */
    private $stdout;

    /** @var resource */
    private $stderr;

    /** @var resource */
    private $nowhere;

    /**
     * Take stdout away, read the command line and the cancellation, and go to the shop's folder. It ends the program
     * where one of them is wrong.
     *
     * @param string[] $arguments `$argv`
     */
    public static function begin(array $arguments, string $usage): self
    {
        $begun = new self(array_slice($arguments, 1), $usage);
        try {
            $begun->read();
        } catch (\Throwable $why) {
            $begun->end($why);
        }
        return $begun;
    }

    private function __construct(array $arguments, string $usage)
    {
        $this->arguments = $arguments;
        $this->usage = $usage;
        register_shutdown_function(function (): void {
            $this->atTheEnd();
        });

        // The copy is ours; what is opened next gets the number 1, and so whatever writes to stdout, writes nowhere.
        $this->stdout = fopen('php://stdout', 'w');
        $this->stderr = fopen('php://stderr', 'w');
        fclose(STDOUT);
        $this->nowhere = fopen('/dev/null', 'w');
        // Besides, as long as nothing was put out, the shop's code may send headers and start sessions unharmed.
        ob_start(function (string $text): string {
            $this->printed = substr($this->printed . $text, -4096);
            return '';
        }, 4096);

        // PHP would mix its messages with ours on stderr; the one that is fatal is told by atTheEnd().
        ini_set('display_errors', '0');
        ini_set('log_errors', '0');
        // Under systemd's MemoryDenyWriteExecute= it has no memory to compile into, and warns at every expression.
        ini_set('pcre.jit', '0');
        // A session of its own, not among those of the web server, which this user may not read.
        ini_set('session.save_handler', 'files');
        ini_set('session.save_path', sys_get_temp_dir());
        // Caches and logs that it writes must stay writable for the web server's group.
        umask(0002);
    }

    /** @throws Fault */
    private function read(): void
    {
        if (!is_resource($this->nowhere)) {
            throw new Fault('/dev/null cannot be opened: open_basedir in php.ini?');
        }
        $folder = rtrim((string) array_shift($this->arguments), '/');
        if ($folder === '' || !is_dir($folder) || !chdir($folder)) {
            throw new Fault("the shop's folder \"$folder\" cannot be entered; usage: $this->usage");
        }
        $this->folder = (string) getcwd();

        $text = (string) stream_get_contents(STDIN, self::LONGEST_INPUT);
        $asked = json_decode($text, true);
        if (!is_array($asked)) {
            throw new Fault('stdin is no JSON object: ' . json_last_error_msg());
        }
        foreach (['order_id', 'shop_id', 'reason'] as $name) {
            if (!is_string($asked[$name] ?? '')) {
                throw new Fault("\"$name\" on stdin is no text");
            }
        }
        $this->orderId = $asked['order_id'] ?? '';
        $this->shopId = $asked['shop_id'] ?? '';
        if ($this->orderId === '' && $this->shopId === '') {
            throw new Fault('neither "order_id" nor "shop_id" is on stdin');
        }
        $reason = trim(preg_replace(['/[\x{10000}-\x{10FFFF}\p{C}]+/u', '/\s+/u'], ' ', $asked['reason'] ?? ''));
        $this->comment = 'Отменён покупателем в приложении' . ($reason === '' ? '' : ": $reason");
    }

    /**
     * The codes in the argument at this place after the folder, comma-separated; each matches the whole pattern.
     *
     * @return string[]
     * @throws Fault
     */
    public function codes(int $place, string $default, string $pattern = '[1-9][0-9]{0,8}'): array
    {
        $given = $this->arguments[$place - 1] ?? $default;
        if (!preg_match("/^(?:$pattern)(?:,(?:$pattern))*\z/", $given)) {
            throw new Fault("\"$given\" is no list of the shop's status codes; usage: $this->usage");
        }
        return explode(',', $given);
    }

    /**
     * An order's key, if the text is nothing but one. `2-1`, `3abc`, `1e3`, ` 2`, `02` are none, whatever PHP and SQL
     * would read from their beginnings.
     */
    public static function key(string $text): ?int
    {
        return preg_match('/^[1-9][0-9]{0,17}\z/', $text) ? (int) $text : null;
    }

    /** Whether a text may be an order's number as people write it: printable, and nothing that a database refuses. */
    public static function isNumber(string $text): bool
    {
        return preg_match('/^[^\p{C}\x{10000}-\x{10FFFF}]{1,100}\z/u', $text) === 1;
    }

    /** The beginning of a text, by characters. */
    public static function beginning(string $text, int $characters): string
    {
        return preg_match("/^.{0,$characters}/us", $text, $found) ? $found[0] : '';
    }

    /** Tell the log of something that does not change the decision. */
    public function note(string $text): void
    {
        $text = json_decode(json_encode($text, JSON_INVALID_UTF8_SUBSTITUTE));
        fwrite($this->stderr, self::beginning(preg_replace('/\s+/u', ' ', $text), 1000) . "\n");
    }

    /**
     * The order is cancelled. By an earlier attempt whose answer was lost, or by the staff, is as well: a "no" would be
     * untrue, and to do it again would send a second mail. What the shop's code has put off until its end is done: by
     * $finish, which may end the program, and by the functions that it wants to run at the end.
     */
    public function accept(?callable $finish = null): void
    {
        $this->status = 0;
        if ($finish !== null) {
            $finish();
        }
        exit(0);
    }

    /** End with what was thrown: a Refusal is the shop's decision, anything else a failure. */
    public function end(\Throwable $why): void
    {
        $this->ignoreWarnings();
        if ($why instanceof Refusal) {
            $words = trim(preg_replace('/\s+/u', ' ', $why->getMessage()));
            fwrite($this->stdout, self::beginning($words, 200) . "\n");
            $this->status = 10;
        } else {
            $place = $why instanceof Fault ? '' : ', in ' . $why->getFile() . ':' . $why->getLine();
            $this->note(($why instanceof Fault ? '' : get_class($why) . ': ') . $why->getMessage() . $place);
            $this->status = 2;
        }
        exit($this->status);
    }

    /** This runs before any function that the shop's code wants to run at the end. */
    private function atTheEnd(): void
    {
        if ($this->status === 0) {
            return;
        }
        $this->ignoreWarnings();
        if ($this->status === null) {
            $this->status = 2;
            $this->note($this->whyUndecided());
            // Before PHP 8 a status that the shop's code ended with, 10 even, stands; nothing stands against SIGKILL.
            if (PHP_VERSION_ID < 80000 && function_exists('posix_kill')) {
                posix_kill(getmypid(), 9);
            }
        }
        exit($this->status);  // and none of the functions that follow can change it
    }

    private function whyUndecided(): string
    {
        $last = error_get_last();
        if ($last !== null && $last['type'] & self::FATAL) {
            return strtok($last['message'], "\n") . ", in $last[file]:$last[line]";
        }
        while (ob_get_level() > 0 && ob_end_flush());
        $printed = trim(preg_replace('/\s+/', ' ', strip_tags($this->printed)));
        return "the shop's code ended by itself: maintenance, a redirect, a fault? Its own log may say more."
            . ($printed === '' ? '' : ' It printed: ' . substr($printed, -300));
    }

    /** The handler of the shop's code may end the program at a mere warning. */
    private function ignoreWarnings(): void
    {
        set_error_handler(static function (): bool {
            return true;
        });
    }
}
