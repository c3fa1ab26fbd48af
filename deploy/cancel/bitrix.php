<?php
/*
 * Cancel an order of 1C-Bitrix: Site Management (module "sale" 16 or later) by its own Bitrix\Sale\Order. So what
 * was reserved is released, the history has its line, the buyer gets the shop's mail, event handlers hear of it. The
 * buyer's reason is REASON_CANCELED.
 *
 *   SYNCD_CANCEL__COMMAND=php /usr/local/share/syncd/cancel/bitrix.php FOLDER [FROM]
 *
 *   FOLDER  the site's document root, where the folder bitrix/ is, e.g. /home/bitrix/www
 *   FROM    the STATUS_IDs from which a buyer may cancel; N, accepted, as the shop is delivered. Any other is refused
 *
 * An order is known by its ID, `shop_id`, or without that by its ACCOUNT_NUMBER, `order_id`. Where both are given they
 * have to name the same order.
 *
 * Bitrix itself refuses paid orders, and those of which something has been shipped. Any other error of its own, or of
 * an event handler, is a failure.
 *
 * Run it by the PHP version that the web server runs the site by.
 *
 * Bitrix is not free to be had: this was tried on a stand-in that answers as its code of sale 16 and 25 reads. Try it
 * by hand on an order of your own first. README.md says how, and what it needs.
 */

require __DIR__ . '/cancellation.php';

use Syncd\Cancellation;
use Syncd\Fault;
use Syncd\Refusal;

const SYNCD_PAID = 'Заказ уже оплачен, и отменить его может только магазин. Пожалуйста, свяжитесь с ним.';
const SYNCD_SHIPPED = 'Заказ уже отгружен, и отменить его может только магазин. Пожалуйста, свяжитесь с ним.';
const SYNCD_REFUSALS = [
    'SALE_ORDER_CANCEL_PAYMENT_EXIST_ACTIVE' => SYNCD_PAID,
    'SALE_ORDER_CANCEL_SHIPMENT_EXIST_SHIPPED' => SYNCD_SHIPPED,
];
const SYNCD_LONGEST_REASON = 255;

/** A text of syncd's, which is UTF-8, as this site keeps its texts. */
function syncdEncoded(string $text): string
{
    $charset = defined('SITE_CHARSET') ? SITE_CHARSET : 'UTF-8';
    return strcasecmp($charset, 'UTF-8') === 0
        ? $text
        : (string) \Bitrix\Main\Text\Encoding::convertEncoding($text, 'UTF-8', $charset);
}

function syncdById(string $text): ?\Bitrix\Sale\Order
{
    $id = Cancellation::key($text);
    return $id === null ? null : (\Bitrix\Sale\Order::load($id) ?: null);
}

function syncdByNumber(string $text): ?\Bitrix\Sale\Order
{
    if (!Cancellation::isNumber($text) || trim($text) === '') {
        return null;
    }
    $number = syncdEncoded($text);
    $order = \Bitrix\Sale\Order::loadByAccountNumber($number) ?: null;
    // The database takes "a-1" for "A-1", and "A-1 " too.
    return $order !== null && (string) $order->getField('ACCOUNT_NUMBER') === $number ? $order : null;
}

/**
 * @throws Refusal if there is no such order
 * @throws Fault if the two names are those of two orders
 */
function syncdFind(string $shopId, string $orderId): \Bitrix\Sale\Order
{
    $numbered = syncdByNumber($orderId);
    $order = $shopId === '' ? $numbered : syncdById($shopId);
    if ($order === null) {
        throw new Refusal(Cancellation::NOT_KNOWN);
    }
    // IMSHOP may know orders by their ID instead; but what is another order's number names the other one.
    $same = $numbered === null
        ? (string) $order->getId() === $orderId
        : (int) $numbered->getId() === (int) $order->getId();
    if ($orderId !== '' && !$same) {
        throw new Fault("order_id \"$orderId\" is not the number of the order with shop_id " . $order->getId());
    }
    return $order;
}

/** What a Result says, for the log. */
function syncdErrors($result): string
{
    $said = [];
    foreach ($result->getErrors() as $error) {
        $said[] = trim($error->getCode() . ' ' . $error->getMessage());
    }
    return implode('; ', $said) ?: 'no reason was given';
}

$syncd = Cancellation::begin($argv, 'php bitrix.php FOLDER [FROM]');
try {
    $syncdFrom = $syncd->codes(1, 'N', '[A-Za-z0-9]{1,2}');
    if (!is_file('bitrix/modules/main/include/prolog_before.php')) {
        throw new Fault("$syncd->folder/bitrix/modules/main/include/prolog_before.php is not there");
    }
    // As Bitrix' own programs for cron do it.
    $_SERVER['DOCUMENT_ROOT'] = $DOCUMENT_ROOT = $syncd->folder;
    define('NOT_CHECK_PERMISSIONS', true);
    define('NO_KEEP_STATISTIC', true);
    define('NO_AGENT_STATISTIC', true);
    define('NO_AGENT_CHECK', true);
    define('STOP_STATISTICS', true);
    define('BX_NO_ACCELERATOR_RESET', true);
    require_once "$syncd->folder/bitrix/modules/main/include/prolog_before.php";
    if (!\Bitrix\Main\Loader::includeModule('sale')) {
        throw new Fault('the module "sale" is not installed here');
    }

    $syncdOrder = syncdFind($syncd->shopId, $syncd->orderId);
    if ($syncdOrder->isCanceled()) {
        $syncd->accept();
    }
    if (!in_array((string) $syncdOrder->getField('STATUS_ID'), $syncdFrom, true)) {
        throw new Refusal(Cancellation::REFUSED);
    }

    $syncdResult = $syncdOrder->setField('CANCELED', 'Y');
    if (!$syncdResult->isSuccess()) {
        foreach ($syncdResult->getErrors() as $syncdError) {
            if (isset(SYNCD_REFUSALS[$syncdError->getCode()])) {
                throw new Refusal(SYNCD_REFUSALS[$syncdError->getCode()]);
            }
        }
        throw new Fault('Bitrix does not cancel the order: ' . syncdErrors($syncdResult));
    }
    $syncdResult = $syncdOrder->setField(
        'REASON_CANCELED',
        syncdEncoded(Cancellation::beginning($syncd->comment, SYNCD_LONGEST_REASON))
    );
    if (!$syncdResult->isSuccess()) {
        throw new Fault('Bitrix does not take the reason: ' . syncdErrors($syncdResult));
    }
    $syncdResult = $syncdOrder->save();
    if (!$syncdResult->isSuccess()) {
        throw new Fault('Bitrix does not save the order: ' . syncdErrors($syncdResult));
    }

    // Saving is no transaction: what counts is what can be read again.
    $syncdNow = \Bitrix\Sale\Order::load($syncdOrder->getId());
    if (!$syncdNow || !$syncdNow->isCanceled()) {
        throw new Fault('Bitrix saved order ' . $syncdOrder->getId() . ', but it is not cancelled');
    }
    $syncd->accept(static function (): void {
        // Caches are written, and jobs done, that Bitrix puts off until a page has been sent.
        $application = \Bitrix\Main\Application::getInstance();
        if (method_exists($application, 'terminate')) {
            $application->terminate();
        } else {
            CMain::FinalActions();
        }
    });
} catch (Throwable $syncdWhy) {
    $syncd->end($syncdWhy);
}
