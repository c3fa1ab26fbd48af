<?php
/*
 * Cancel an order of OpenCart 2.3, 3 or 4, or of ocStore, by the shop's own model: addOrderHistory(), in version 4
 * addHistory(). So stock comes back, the history has its line, the buyer gets the shop's mail, extensions hear of it.
 *
 *   SYNCD_CANCEL__COMMAND=php /usr/local/share/syncd/cancel/opencart.php FOLDER [CANCELLED [FROM]]
 *
 *   FOLDER     where the shop's index.php and config.php are, e.g. /var/www/shop
 *   CANCELLED  the order_status_id to give; 7, Canceled ("Отменено"), as the shop is delivered
 *   FROM       the order_status_ids from which a buyer may cancel; 1,2, Pending ("Ожидание") and Processing
 *              ("В обработке"), as it is delivered. Any other is refused
 *
 * An order is known by its order_id, which is both `shop_id` and `order_id`.
 *
 * The shop is started by its own index.php, asked for a page that does next to nothing; its modifications, events and
 * settings are then in place as for a visitor. Run it by the PHP version that the web server runs the shop by.
 *
 * Tried on OpenCart 2.3.0.2, 3.0.5.1, 4.0.2.3 and 4.1.0.4, and ocStore 2.3.0.3 and 3.0.3.7. README.md says what it
 * needs.
 */

require __DIR__ . '/cancellation.php';

use Syncd\Cancellation;
use Syncd\Fault;
use Syncd\Refusal;

$syncd = Cancellation::begin($argv, 'php opencart.php FOLDER [CANCELLED [FROM]]');
try {
    $syncdStatus = (int) $syncd->codes(1, '7')[0];
    $syncdFrom = $syncd->codes(2, '1,2');
    if ($syncd->shopId !== '' && $syncd->orderId !== '' && $syncd->shopId !== $syncd->orderId) {
        throw new Fault("order_id \"$syncd->orderId\" is not the number of the order with shop_id \"$syncd->shopId\"");
    }
    $syncdId = Cancellation::key($syncd->shopId !== '' ? $syncd->shopId : $syncd->orderId);
    if ($syncdId === null) {
        throw new Refusal(Cancellation::NOT_KNOWN);
    }

    // What the shop's code expects of a web server. No store has this host: the default store answers.
    $_SERVER = [
        'HTTP_HOST' => 'localhost', 'SERVER_NAME' => 'localhost', 'SERVER_PORT' => '80', 'REMOTE_ADDR' => '127.0.0.1',
        'SERVER_PROTOCOL' => 'HTTP/1.1', 'REQUEST_METHOD' => 'POST', 'HTTP_X_REQUESTED_WITH' => 'XMLHttpRequest',
        'DOCUMENT_ROOT' => $syncd->folder, 'SCRIPT_FILENAME' => "$syncd->folder/index.php",
        'SCRIPT_NAME' => '/index.php', 'PHP_SELF' => '/index.php',
        'REQUEST_URI' => '/index.php?route=tool/upload', 'QUERY_STRING' => 'route=tool/upload',
    ] + $_SERVER;
    $_GET = $_REQUEST = ['route' => 'tool/upload'];

    // index.php of 2.2 to 3 starts the shop in a function and keeps $registry there, so its last call is written out.
    if (!is_file('index.php')) {
        throw new Fault("$syncd->folder/index.php is not there");
    }
    eval('?>' . preg_replace(
        '/\bstart\(\s*([\'"])catalog\1\s*\)\s*;/',
        '$application_config = "catalog"; require_once DIR_SYSTEM . "framework.php";',
        file_get_contents('index.php')
    ));
    if (!isset($registry) || !defined('DB_PREFIX')) {
        throw new Fault("$syncd->folder/index.php is not OpenCart's");
    }

    // With this name the shop's mail greets the mail server.
    putenv('SERVER_NAME=' . (parse_url(defined('HTTP_SERVER') ? HTTP_SERVER : '', PHP_URL_HOST) ?: 'localhost'));

    $registry->get('load')->model('checkout/order');
    $syncdOrders = $registry->get('model_checkout_order');
    $syncdOrder = $syncdOrders->getOrder($syncdId);
    // Status 0 is a cart that was left: no order yet.
    if (!$syncdOrder || (int) $syncdOrder['order_id'] !== $syncdId || (int) $syncdOrder['order_status_id'] === 0) {
        throw new Refusal(Cancellation::NOT_KNOWN);
    }
    if ((int) $syncdOrder['order_status_id'] === $syncdStatus) {
        $syncd->accept();
    }
    if (!in_array((string) $syncdOrder['order_status_id'], $syncdFrom, true)) {
        throw new Refusal(Cancellation::REFUSED);
    }

    // Each store has settings of its own, among them the statuses whose orders hold stock.
    if ((int) $syncdOrder['store_id'] !== 0) {
        $syncdSettings = $registry->get('db')->query(
            'SELECT * FROM `' . DB_PREFIX . 'setting` WHERE store_id = ' . (int) $syncdOrder['store_id']
        );
        foreach ($syncdSettings->rows as $syncdRow) {
            $registry->get('config')->set(
                $syncdRow['key'],
                $syncdRow['serialized'] ? json_decode($syncdRow['value'], true) : $syncdRow['value']
            );
        }
    }

    // OpenCart keeps texts as its Request class escapes them, and shows them as they are.
    $syncdComment = htmlspecialchars($syncd->comment, ENT_COMPAT, 'UTF-8');
    if (version_compare(VERSION, '4', '<')) {
        $syncdOrders->addOrderHistory($syncdId, $syncdStatus, $syncdComment, true);
    } else {
        $syncdOrders->addHistory($syncdId, $syncdStatus, $syncdComment, true);
    }

    // An extension may have prevented it, or have set another status.
    $syncdNow = (int) $syncdOrders->getOrder($syncdId)['order_status_id'];
    if ($syncdNow !== $syncdStatus) {
        throw new Fault("OpenCart left order $syncdId in status $syncdNow instead of $syncdStatus");
    }
    $syncd->accept();
} catch (Throwable $syncdWhy) {
    $syncd->end($syncdWhy);
}
