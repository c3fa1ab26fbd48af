<?php
/*
 * What the stand-ins of the shops have in common. Their orders are in shop.json in the shop's folder, where the test puts
 * them and reads what became of them. "trouble" in it says what the shop's code does besides, by the moment: "boot",
 * "cancel" or "end".
 */

define('SHOP_FILE', __DIR__ . '/shop.json');

function shop(): array
{
    return json_decode(file_get_contents(SHOP_FILE), true);
}

/** Change fields of one order, and keep what happened. */
function change(int $id, array $fields, array $happened = []): void
{
    $shop = shop();
    $shop['orders'][$id] = $fields + $shop['orders'][$id];
    $shop['happened'] = array_merge($shop['happened'] ?? [], $happened);
    file_put_contents(SHOP_FILE, json_encode($shop));
}

/** @return int[] the orders with this text in this field, compared as MariaDB compares texts */
function having(string $field, string $text): array
{
    return array_keys(array_filter(shop()['orders'], static function (array $order) use ($field, $text): bool {
        return strcasecmp(rtrim((string) $order[$field]), rtrim($text)) === 0;
    }));
}

function trouble(string $moment): void
{
    switch (shop()['trouble'][$moment] ?? '') {
        case 'exit 0':
            exit(0);
        case 'exit 10':
            exit(10);
        case 'die':
            die('<h1>Under maintenance</h1>');
        case 'throw':
            throw new RuntimeException('the model gave up');
        case 'fatal':
            no_such_function();
            break;
        case 'memory':
            ini_set('memory_limit', (string) (memory_get_usage() + 4194304));
            str_repeat('x', 8388608);
            break;
        case 'handlers':
            set_error_handler(static function (): void {
                exit(0);
            });
            set_exception_handler(static function (): void {
                exit(0);
            });
            break;
        case 'noise':
            while (ob_get_level() > 0) {
                ob_end_clean();
            }
            echo '<b>Notice</b>: printed';
            ini_set('display_errors', '1');
            trigger_error('displayed', E_USER_WARNING);
            file_put_contents('php://output', 'put out');
            file_put_contents('php://stdout', 'written');
            passthru('echo said by its mail program');
            break;
        case 'exit 0 at the end':
            register_shutdown_function(static function (): void {
                exit(0);
            });
            break;
        case 'fatal at the end':
            register_shutdown_function(static function (): void {
                no_such_function();
            });
            break;
    }
}
